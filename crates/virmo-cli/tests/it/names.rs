//! Names that a server chooses: of nodes, of images, of files. None of them is a way out of the
//! state folder.

use std::{
    collections::BTreeSet,
    fs,
    path::{Path, PathBuf},
    thread,
};

use tempfile::TempDir;

use crate::{
    http::Images,
    peer::{Server, command, exec},
    program::virmo,
};

/// What leads elsewhere on one system or another, as it is and escaped once and twice.
const NAMES: [&str; 14] = [
    "..",
    "%2e%2e",
    "%252e%252e",
    "..%2f..%2foutside",
    "%2e%2e%2f%2e%2e%2foutside",
    "%2ftmp%2foutside",
    "..%5coutside",
    "C%3a%5coutside",
    "~",
    "a%00b",
    "state.db",
    "journal",
    "-rf",
    "%e2%80%aeoutside",
];

/// Every file and folder below one.
fn below(folder: &Path) -> BTreeSet<PathBuf> {
    let (mut open, mut found) = (vec![folder.to_owned()], BTreeSet::new());
    while let Some(folder) = open.pop() {
        for entry in fs::read_dir(folder).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path.clone());
            }
            found.insert(path);
        }
    }
    found
}

/// For each name an image that is downloaded under it, and a VM that is made from it.
fn commands(name: &str, image: &str) -> Vec<String> {
    let (node, vm) = (format!("./VMImgMO/{name}"), format!("./VirMO/{name}"));
    let leaf =
        |leaf: &str, value: &str| command("Replace", &format!("{node}/{leaf}"), "chr", value);
    vec![
        command("Add", &node, "node", ""),
        leaf("Name", "../../outside"),
        leaf("DownloadURI", image),
        leaf("MediaType", "application/octet-stream"),
        exec(&format!("{node}/Operations/Download"), "1"),
        command("Add", &vm, "node", ""),
        command(
            "Replace",
            &format!("{vm}/CreateParams"),
            "chr",
            "ImgID=..%2foutside",
        ),
        exec(&format!("{vm}/Operations/Create"), "2"),
    ]
}

#[test]
fn no_name_leads_out_of_the_state_folder() {
    let image = Images::of(1000)
        .url
        .replace("entvm.img", "..%2f..%2foutside");
    let place = TempDir::new().unwrap();
    let state = place.path().join("deep/down/state");
    fs::create_dir_all(&state).unwrap();
    let outside = |all: BTreeSet<PathBuf>| -> Vec<PathBuf> {
        all.into_iter()
            .filter(|it| !it.starts_with(&state))
            .collect()
    };
    let before = outside(below(place.path()));
    let server = Server::bind();
    let (url, folder) = (server.url(), state.to_str().unwrap().to_owned());
    let device = thread::spawn(move || {
        let words = [
            "device",
            "--server",
            &url,
            "--state",
            &folder,
            "--until-idle",
            "--json",
        ];
        virmo(&words)
    });
    let (mut package, mut taken) = (0, 0);
    server.session(|answers| {
        taken += answers.status.values().filter(|code| **code == 200).count();
        package += 1;
        match NAMES.get(package - 1) {
            Some(name) => commands(name, &image),
            None => Vec::new(),
        }
    });
    // The end of the downloads.
    server.session(|_| Vec::new());
    drop(server);
    let device = device.join().unwrap();
    // Some are good names, and became nodes; images of theirs are in the folder.
    assert!(taken > 4 * 5, "{taken}: {device:?}");
    assert!(
        below(&state.join("images")).len() > 1,
        "{:?}",
        below(&state)
    );
    assert_eq!(outside(below(place.path())), before);
    assert!(!Path::new("/tmp/outside").exists());
    for path in below(&state) {
        let name = path.file_name().unwrap().to_str().unwrap();
        assert!(name.bytes().all(|it| it.is_ascii_graphic()), "{path:?}");
        assert!(!name.contains("outside"), "{path:?}");
    }
}
