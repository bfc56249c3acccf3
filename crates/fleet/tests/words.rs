//! The page about the words is the table, and nothing else.

use quell_fleet::Word;

#[test]
fn the_page_is_the_table() {
    let page = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/words.md");
    if std::env::var_os("UPDATE_DOCS").is_some() {
        std::fs::write(page, Word::page()).unwrap();
    }
    let written = std::fs::read_to_string(page).unwrap_or_default();
    assert!(
        written == Word::page(),
        "docs/words.md is not what the table says: UPDATE_DOCS=1 cargo test -p quell-fleet --test words"
    );
}
