//! A project is written where it was asked for, and nowhere else.

use super::wasm;

#[tokio::test(flavor = "multi_thread")]
async fn a_project_is_written_nowhere_else() {
    let dir = tempfile::tempdir().unwrap();
    std::fs::create_dir(dir.path().join("taken")).unwrap();
    std::fs::write(dir.path().join("taken/mine"), "mine").unwrap();
    std::fs::create_dir(dir.path().join("empty")).unwrap();
    for (arguments, part) in [
        ("new --lang rust taken", "the folder `taken` is not empty"),
        (
            "new --lang rust good --dir taken",
            "the folder `taken` is not empty",
        ),
        (
            "new --lang rust good --dir taken/mine",
            "cannot be the project's folder",
        ),
        ("new --lang rust ../good", "cannot be the name of a component"),
        ("new --lang rust fn", "has another meaning"),
        ("new --lang cobol good", "possible values: rust"),
        ("new good", "--lang"),
    ] {
        let arguments: Vec<_> = arguments.split(' ').collect();
        let (code, _, log) = wasm(dir.path(), &arguments).await;
        assert_eq!(code, Some(2), "{arguments:?}: {log}");
        assert!(log.contains(part), "{arguments:?}: {log}");
    }
    let entries = |path: &str| std::fs::read_dir(dir.path().join(path)).unwrap().count();
    assert_eq!((entries("."), entries("taken")), (2, 1), "nothing was written");
    let (code, _, log) = wasm(dir.path(), &["new", "--lang", "rust", "good", "--dir", "empty"]).await;
    assert_eq!(code, Some(0), "{log}");
    assert!(dir.path().join("empty/src/lib.rs").is_file());
}
