use std::{collections::HashSet, sync::Arc};

/// The names of nodes, each kept once: most nodes are called like many others.
#[derive(Default)]
pub(crate) struct Names {
    names: HashSet<Arc<str>>,
    /// How many there may be before those that nobody uses any more are looked for.
    most: usize,
}

impl Names {
    /// The name as all nodes that are called so share it.
    pub(crate) fn share(&mut self, name: Arc<str>) -> Arc<str> {
        if let Some(shared) = self.names.get(&name) {
            return Arc::clone(shared);
        }
        if self.names.len() >= self.most {
            self.names.retain(|name| Arc::strong_count(name) > 1);
            self.most = (2 * self.names.len()).max(64);
        }
        self.names.insert(Arc::clone(&name));
        name
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn like_names_are_one() {
        let mut names = Names::default();
        let (one, other) = (names.share("State".into()), names.share("State".into()));
        assert!(Arc::ptr_eq(&one, &other));
        assert!(!Arc::ptr_eq(&one, &names.share("Status".into())));
    }

    #[test]
    fn names_that_nobody_uses_go() {
        let mut names = Names::default();
        let used: Vec<_> = (0..100)
            .map(|n| names.share(format!("used-{n}").into()))
            .collect();
        for n in 0..10_000 {
            names.share(format!("unused-{n}").into());
            assert!(names.names.len() <= 2 * used.len() + 1);
        }
        for name in used {
            assert!(Arc::ptr_eq(&name, &names.share(Arc::from(&*name))));
        }
    }
}
