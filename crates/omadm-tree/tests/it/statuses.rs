//! Which status comes first, and every property under every command.

use omadm_core::Format;
use omadm_tree::{
    AccessType, NewNode, Principal, Property, Reading, Selector, Target, Transaction, TreeError,
    TreeLimits, Value,
};

use crate::garden::{Garden, garden, run, server, target, uri};

/// The status of a command that only asks.
fn status(by: &Principal, access: AccessType, text: &str) -> u16 {
    let mut garden = garden(TreeLimits::default());
    run(&mut garden, |transaction| {
        transaction.authorize(&Garden, by, access, &target(text))
    })
    .map_or_else(|status| status, |_| 200)
}

/// 404 before 405 before 425: each target fails as many checks as it can.
#[test]
fn existence_then_description_then_list() {
    use AccessType::{Add, Copy, Delete, Exec, Get, Replace};

    // B may Add and Get only.
    let b = server("B");
    for (access, text, expected) in [
        (Get, "./M/none", 404),
        (Get, "./nowhere/x", 404),
        (Get, "./M/a/Op/Run", 405),
        (Get, "./M/a/State", 200),
        (Get, ".", 200),
        (Replace, "./M/none/Name", 404),
        (Replace, "./P/Id", 405),
        (Replace, "./M/a/State", 405),
        (Replace, "./M/a/Name", 425),
        (Replace, "./M/a/Name?prop=Name", 405),
        (Replace, "./M/a?prop=Name", 425),
        (Replace, "./M/a/Name?prop=Title", 425),
        (Delete, "./M/none", 404),
        (Delete, ".", 405),
        (Delete, "./P", 405),
        (Delete, "./M/a/Op", 405),
        (Delete, "./K/a", 405),
        (Delete, "./M/a", 425),
        (Exec, "./M/none/Op/Run", 404),
        (Exec, "./M/a/Name", 405),
        (Exec, "./M/a/Op/Run", 425),
        (Copy, "./M/a/none", 404),
        (Copy, "./M/a", 405),
        (Copy, "./P/Id", 405),
        (Copy, "./M/a/Name", 200),
        (Add, ".", 405),
        (Add, "./nobody", 405),
        (Add, "./P/Id/x", 405),
        (Add, "./P/new", 405),
        (Add, "./M/a/State", 405),
        (Add, "./M/b/State", 405),
        (Add, "./M/b", 200),
        (Add, "./M/b/Ext/x", 200),
        // What exists is for the operation to say.
        (Add, "./M/a", 200),
        (Add, "./M/a/Note", 200),
        // A permanent node cannot be created, but may come with its parent.
        (Add, "./M/b/Note", 200),
        (Add, "./M/b/Op", 405),
        (Add, "./M/b/Op/Extra", 200),
        (Add, "./M/b/Op/Run", 405),
    ] {
        assert_eq!(status(&b, access, text), expected, "{access} {text}");
    }
    // A may do all the lists can grant.
    for (access, text) in [
        (Replace, "./M/a/Name"),
        (Replace, "./M/a?prop=Name"),
        (Delete, "./M/a"),
        (Exec, "./M/a/Op/Run"),
    ] {
        assert_eq!(status(&server("A"), access, text), 200, "{access} {text}");
    }
    // The device passes description and list, not existence and structure.
    for (access, text, expected) in [
        (Get, "./M/a/Op/Run", 200),
        (Replace, "./P/Id", 200),
        (Delete, "./P", 200),
        (Add, "./nobody", 200),
        (Add, "./P/Id/x", 405),
        (Delete, ".", 405),
        (Get, "./none", 404),
        (Copy, "./M", 405),
    ] {
        assert_eq!(
            status(&Principal::Device, access, text),
            expected,
            "{access} {text}"
        );
    }
}

#[test]
fn nobody_describes_what_the_device_made() {
    let mut garden = garden(TreeLimits::default());
    run(&mut garden, |transaction| {
        transaction.set(&Garden, &uri("./nobody/x"), Value::chr("1"))
    })
    .unwrap();
    for access in AccessType::ALL {
        for text in [
            "./nobody/x",
            "./nobody/x?prop=ACL",
            "./nobody/x?prop=Title",
            "./nobody?list=Struct",
        ] {
            let result = run(&mut garden, |transaction| {
                transaction.authorize(&Garden, &server("A"), access, &target(text))
            });
            assert_eq!(result.map(drop), Err(405), "{access} {text}");
        }
    }
}

/// Every property × every command, on a leaf, an interior node and the root.
#[test]
fn properties_go_by_their_own_table() {
    let a = server("A");
    for node in ["./M/a/Name", "./M/a", "."] {
        for property in Property::ALL {
            for access in AccessType::ALL {
                let writable = match property {
                    Property::Acl | Property::Title => true,
                    // `./M/a` alone has a name of its own choice.
                    Property::Name => node == "./M/a",
                    _ => false,
                };
                let allowed = match access {
                    AccessType::Get => true,
                    AccessType::Replace => writable,
                    _ => false,
                };
                let target = Target::property(uri(node), property).to_string();
                assert_eq!(
                    status(&a, access, &target),
                    if allowed { 200 } else { 405 },
                    "{access} {target}"
                );
            }
        }
        for list in ["Struct", "StructData", "TNDS", "TNDS+ACL"] {
            for access in AccessType::ALL {
                let target = format!("{node}?list={list}");
                let expected = if access == AccessType::Get { 200 } else { 405 };
                assert_eq!(status(&a, access, &target), expected, "{access} {target}");
            }
        }
    }
}

#[test]
fn properties_read_as_text() {
    let mut garden = garden(TreeLimits::default());
    let mut read = |node: &str| {
        Property::ALL.map(|property| {
            let target = Target::property(uri(node), property);
            run(&mut garden, |transaction| {
                let permit =
                    transaction.authorize(&Garden, &server("A"), AccessType::Get, &target)?;
                transaction.get(&Garden, &permit)
            })
            .map(|reading| format!("{reading:?}"))
        })
    };
    let text = |text: &str| Ok(format!("Property({text:?})"));
    assert_eq!(
        read("./M/a/State"),
        [
            text(""),
            text("int"),
            text("State"),
            text("1"),
            text(""),
            text("19700101T000001Z"),
            text("text/plain"),
            text("1"),
        ]
    );
    assert_eq!(
        read("./M"),
        [
            text(""),
            text("node"),
            text("M"),
            Err(406),
            text(""),
            text("19700101T000001Z"),
            text("urn:test:m:1.0"),
            text("0"),
        ]
    );
    assert_eq!(read(".")[2], text("."));
}

/// What depends on the data, each from one command of server A.
#[test]
fn data_checks() {
    fn add(new: NewNode) -> impl Fn(&mut Transaction<'_>, &str) -> Result<(), TreeError> {
        move |transaction, text| {
            let permit =
                transaction.authorize(&Garden, &server("A"), AccessType::Add, &target(text))?;
            transaction.add(&Garden, permit, new.clone())
        }
    }
    fn replace(value: Value) -> impl Fn(&mut Transaction<'_>, &str) -> Result<(), TreeError> {
        move |transaction, text| {
            let permit =
                transaction.authorize(&Garden, &server("A"), AccessType::Replace, &target(text))?;
            transaction.replace(&Garden, permit, value.clone())
        }
    }
    fn property(new: &str) -> impl Fn(&mut Transaction<'_>, &str) -> Result<(), TreeError> {
        move |transaction, text| {
            let permit =
                transaction.authorize(&Garden, &server("A"), AccessType::Replace, &target(text))?;
            transaction.replace_property(&Garden, permit, new)
        }
    }
    let mut limits = TreeLimits::default();
    limits.value_bytes = 100;
    limits.total_bytes = 150;
    limits.acl_bytes = 20;
    limits.children = 6;
    limits.type_bytes = 20;
    limits.uri = omadm_tree::UriLimits::new(6, 40, 20);
    let check =
        |text: &str,
         expected: u16,
         operation: &dyn Fn(&mut Transaction<'_>, &str) -> Result<(), TreeError>| {
            let mut garden = garden(limits);
            let result = run(&mut garden, |transaction| operation(transaction, text));
            assert_eq!(
                result.map_or_else(|status| status, |()| 200),
                expected,
                "{text}"
            );
        };
    let leaf = |text: &str| NewNode::Leaf(Value::chr(text));
    let typed = |node_type: &str| NewNode::Interior {
        node_type: Some(node_type.to_owned()),
    };

    check("./M/a", 418, &add(NewNode::INTERIOR));
    check("./M/b", 200, &add(NewNode::INTERIOR));
    check("./M/b", 415, &add(leaf("")));
    check("./M/b/Ext", 415, &add(leaf("")));
    check("./M/a/Doc", 415, &add(NewNode::INTERIOR));
    check("./M/a/Doc", 415, &add(NewNode::Leaf(Value::int(1))));
    let doc = |media_type: &str| NewNode::Leaf(Value::chr("").with_media_type(media_type));
    check("./M/a/Doc", 200, &add(doc("text/x")));
    check("./M/a/Doc", 415, &add(doc("text/y")));
    check("./X/typed", 200, &add(typed("12345678901234567890")));
    check("./X/typed", 413, &add(typed("123456789012345678901")));
    check("./X/typed", 413, &add(doc("123456789012345678901")));
    check("./X/2345678901234567890", 200, &add(leaf("")));
    check("./X/123456789012345678901", 414, &add(leaf("")));
    check("./X/a/b/c/d/e/f", 414, &add(leaf("")));
    check("./X/x", 200, &add(leaf(&"x".repeat(100))));
    check("./X/x", 413, &add(leaf(&"x".repeat(101))));
    check("./M/a/Name", 200, &replace(Value::chr("n")));
    check("./M/a/Name", 415, &replace(Value::int(1)));
    check("./M/a/Name", 413, &replace(Value::chr("x".repeat(101))));
    check("./M/a", 405, &replace(Value::chr("")));
    check("./M/a?prop=Title", 200, &property(&"t".repeat(255)));
    check("./M/a?prop=Title", 413, &property(&"t".repeat(256)));
    check("./M/a?prop=ACL", 200, &property("Get=*&Replace=A"));
    check("./M/a?prop=ACL", 400, &property("Get=*&Replace="));
    check("./M/a?prop=ACL", 413, &property("Get=abcdefghijklmnopq"));
    check("./M/a?prop=Name", 200, &property("c%20d"));
    check("./M/a?prop=Name", 200, &property("a"));
    check("./M/a?prop=Name", 400, &property("c d"));
    check("./M/a?prop=Name", 400, &property("c/d"));
    check("./M/a?prop=Name", 400, &property(""));
    check("./K/a?prop=Name", 200, &property("b"));
    check("./K/a?prop=Name", 405, &property("n"));
    check("./M/a?prop=Name", 414, &property("123456789012345678901"));

    check("./X", 200, &|transaction, _| {
        for name in ["1", "2", "3", "4", "5", "6"] {
            add(leaf(""))(transaction, &format!("./X/{name}"))?;
        }
        Ok(())
    });
    check("./X", 420, &|transaction, _| {
        for name in ["1", "2", "3", "4", "5", "6", "7"] {
            add(leaf(""))(transaction, &format!("./X/{name}"))?;
        }
        Ok(())
    });
    check("./X", 420, &|transaction, _| {
        add(leaf(&"x".repeat(100)))(transaction, "./X/1")?;
        add(leaf(&"x".repeat(100)))(transaction, "./X/2")
    });
    check("./X", 200, &|transaction, _| {
        add(leaf(&"x".repeat(100)))(transaction, "./X/1")?;
        // What the old value took makes room.
        replace(Value::chr("y".repeat(100)))(transaction, "./X/1")
    });
    check("./X", 200, &|transaction, _| {
        add(leaf(&"x".repeat(100)))(transaction, "./X/1")?;
        replace(Value::chr(""))(transaction, "./X/1")?;
        add(leaf(&"x".repeat(100)))(transaction, "./X/2")
    });
    check("./X", 420, &|transaction, _| {
        add(leaf(""))(transaction, "./X/1")?;
        replace(Value::chr("x".repeat(100)))(transaction, "./X/1")?;
        add(leaf(&"x".repeat(100)))(transaction, "./X/2")
    });
    check("./M", 418, &|transaction, _| {
        add(NewNode::INTERIOR)(transaction, "./M/b")?;
        property("b")(transaction, "./M/a?prop=Name")
    });
    check("./M", 200, &|transaction, _| {
        for name in ["b", "c"] {
            add(NewNode::INTERIOR)(transaction, &format!("./M/{name}"))?;
        }
        Ok(())
    });
    check("./M", 405, &|transaction, _| {
        for name in ["b", "c", "d"] {
            add(NewNode::INTERIOR)(transaction, &format!("./M/{name}"))?;
        }
        Ok(())
    });
    check("./K", 200, &|transaction, _| {
        add(NewNode::Leaf(Value::int(1)))(transaction, "./K/b")?;
        let permit =
            transaction.authorize(&Garden, &server("A"), AccessType::Delete, &target("./K/a"))?;
        transaction.delete(&Garden, permit)
    });
}

#[test]
fn the_number_of_nodes_is_limited() {
    let mut limits = TreeLimits::default();
    limits.nodes = 14;
    let mut garden = garden(limits);
    assert_eq!(garden.1.node_count(), 14);
    let result = run(&mut garden, |transaction| {
        transaction.set(&Garden, &uri("./X/x"), Value::null())
    });
    assert_eq!(result, Err(420));
}

#[test]
fn a_list_is_limited() {
    let mut limits = TreeLimits::default();
    limits.list_nodes = 8;
    let list = |text: &str| {
        let mut garden = garden(limits);
        run(&mut garden, |transaction| {
            let permit =
                transaction.authorize(&Garden, &server("A"), AccessType::Get, &target(text))?;
            transaction.get(&Garden, &permit)
        })
        .map(drop)
    };
    assert_eq!(list("./M?list=StructData"), Ok(()));
    assert_eq!(list(".?list=StructData"), Err(413));
}

/// A permit is good for its own operation only, and checked again once the tree changed.
#[test]
fn permits_do_not_outlive_their_reason() {
    let mut garden = garden(TreeLimits::default());
    let a = server("A");
    let result = run(&mut garden, |transaction| {
        let permit = transaction.authorize(&Garden, &a, AccessType::Get, &target("./M/a/Name"))?;
        transaction.replace(&Garden, permit, Value::chr("x"))
    });
    assert_eq!(result, Err(500));
    let result = run(&mut garden, |transaction| {
        let target = Target::property(uri("./M/a/Name"), Property::Title);
        let permit = transaction.authorize(&Garden, &a, AccessType::Replace, &target)?;
        assert_eq!(
            permit.target().selector,
            Selector::Property(Property::Title)
        );
        transaction.replace(&Garden, permit, Value::chr("x"))
    });
    assert_eq!(result, Err(500));
    let result = run(&mut garden, |transaction| {
        let permit =
            transaction.authorize(&Garden, &a, AccessType::Replace, &target("./M/a/Name"))?;
        transaction.set_acl(&uri("./M/a/Name"), "Get=*".parse().unwrap())?;
        transaction.replace(&Garden, permit, Value::chr("x"))
    });
    assert_eq!(result, Err(425));
    let result = run(&mut garden, |transaction| {
        let permit = transaction.authorize(&Garden, &a, AccessType::Delete, &target("./M/a"))?;
        transaction.remove(&uri("./M/a"))?;
        transaction.delete(&Garden, permit)
    });
    assert_eq!(result, Err(404));
    // A permit for what was taken back permits nothing.
    let mut permit = None;
    let result = run(&mut garden, |transaction| {
        transaction.set_acl(&uri("./M/a/Name"), "Replace=C".parse().unwrap())?;
        let target = target("./M/a/Name");
        permit =
            Some(transaction.authorize(&Garden, &server("C"), AccessType::Replace, &target)?);
        transaction.remove(&uri("./M/none"))
    });
    assert_eq!(result, Err(404));
    let result = run(&mut garden, |transaction| {
        transaction.replace(&Garden, permit.take().unwrap(), Value::chr("x"))
    });
    assert_eq!(result, Err(425));
    // A change elsewhere does no harm.
    let result = run(&mut garden, |transaction| {
        let permit =
            transaction.authorize(&Garden, &a, AccessType::Replace, &target("./M/a/Name"))?;
        transaction.set(&Garden, &uri("./M/a/State"), Value::int(2))?;
        transaction.replace(&Garden, permit, Value::chr("x"))
    });
    assert_eq!(result, Ok(()));
}

/// Two trees with as many changes, in which the same address is another node.
#[test]
fn a_permit_of_another_tree_is_for_the_address() {
    let a = server("A");
    let [mut first, mut second] = [["p", "q"], ["q", "p"]].map(|names| {
        let mut garden = garden(TreeLimits::default());
        run(&mut garden, |transaction| {
            names.into_iter().try_for_each(|name| {
                let leaf = uri("./X").child(name).unwrap();
                transaction.set(&Garden, &leaf, Value::chr(name))
            })
        })
        .unwrap();
        garden
    });
    let mut permit = |access| {
        let permit = run(&mut first, |transaction| {
            transaction.authorize(&Garden, &a, access, &target("./X/p"))
        });
        permit.unwrap()
    };
    let (read, write) = (permit(AccessType::Get), permit(AccessType::Replace));
    run(&mut second, |transaction| {
        let reading = transaction.get(&Garden, &read)?;
        assert_eq!(reading, Reading::Leaf(Value::chr("p")));
        transaction.replace(&Garden, write, Value::chr("new"))
    })
    .unwrap();
    let text = |address| second.1.node(&uri(address)).unwrap().text().unwrap();
    assert_eq!([text("./X/p"), text("./X/q")], ["new", "q"]);
}

#[test]
fn copies_are_checked_at_both_ends() {
    let copy = |by: &str, from: &str, to: &str| {
        let mut garden = garden(TreeLimits::default());
        let by = server(by);
        run(&mut garden, |transaction| {
            transaction.set(&Garden, &uri("./X/text"), Value::chr("hello"))?;
            transaction.set(&Garden, &uri("./X/secret"), Value::chr("hush"))?;
            transaction.set_acl(&uri("./X/secret"), "Get=C".parse().unwrap())?;
            let (from, to) =
                transaction.authorize_copy(&Garden, &by, &target(from), &target(to))?;
            transaction.copy(&Garden, from, to)
        })
        .map(|()| {
            let node = garden.1.node(&uri(to)).unwrap();
            (node.format(), node.text().unwrap().to_owned())
        })
    };
    let hello = Ok((Format::Chr, "hello".to_owned()));
    assert_eq!(copy("A", "./X/text", "./M/a/Name"), hello);
    assert_eq!(copy("A", "./X/text", "./X/new"), hello);
    assert_eq!(copy("B", "./X/text", "./X/new"), hello);
    assert_eq!(copy("A", "./X/text", "./X/new/deeper"), hello);
    assert_eq!(copy("B", "./X/text", "./M/a/Name"), Err(425));
    assert_eq!(copy("A", "./X/secret", "./M/a/Name"), Err(425));
    assert_eq!(copy("A", "./X/text", "./K/a"), Err(415));
    assert_eq!(copy("A", "./X/text", "./M/a/State"), Err(405));
    assert_eq!(copy("A", "./X/text", "./M/a"), Err(405));
    assert_eq!(copy("A", "./M", "./X/new"), Err(405));
    assert_eq!(copy("A", "./P/Id", "./X/new"), Err(405));
    assert_eq!(copy("A", "./X/none", "./M/a/Name"), Err(404));
}
