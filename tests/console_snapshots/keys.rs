//! Keymaps a user could have written, and those one should not.

use quell::console::app::{Effect, Look};
use quell::console::keymap::Keymap;

use crate::world::*;

fn folder(text: &str) -> tempfile::TempDir {
    let folder = tempfile::tempdir().unwrap();
    std::fs::write(folder.path().join("mine.toml"), text).unwrap();
    folder
}

#[test]
fn a_file_in_the_folder_is_laid_over_the_default() {
    let folder = folder("[global]\n\"f5\" = \"isolate\"\n\"i\" = \"none\"\n");
    let keymap = Keymap::load(Some("mine"), Some(folder.path())).unwrap();
    let fleet = incident();
    let mut app = App::new(Look { keymap, ..look(false) });
    render(&mut app, &fleet, NOW, (80, 24));
    press(&mut app, &fleet, "ai");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Plan { .. })), "i was taken away");
    let text = lines(&render(&mut app, &fleet, NOW, (80, 24)));
    assert!(text.contains("f5 isolate"), "the footer says the key in force: {text}");
}

#[test]
fn a_mistake_names_its_file_and_line() {
    for (text, line, says) in [
        ("[global]\n\"x\" = \"no-such-command\"\n", ":2", "no-such-command"),
        ("[global]\n\n\"ctrl-\" = \"isolate\"\n", ":3", "ctrl-"),
        ("[nowhere]\n\"x\" = \"isolate\"\n", ":", "nowhere"),
        ("[global]\n\"x\" = \"isolate\"\n\"x y\" = \"release\"\n", ":3", "cannot be reached"),
        ("[global\n", ":1", ""),
    ] {
        let folder = folder(text);
        let error = Keymap::load(Some("mine"), Some(folder.path())).unwrap_err().to_string();
        assert!(error.contains(&format!("mine.toml{line}")) && error.contains(says), "{text}: {error}");
    }
    assert!(Keymap::load(Some("no-such-keymap"), None).is_err());
}

#[test]
fn a_word_in_the_palette_means_a_command_of_that_name_and_no_sentence_with_its_letters() {
    let fleet = incident();
    for (typed, says) in [
        ("link", "carries, loses and is refused"),
        ("quit", "quit"),
        ("what-if", "Try other numbers"),
        ("certificates deactivation", "Plan the deactivation"),
    ] {
        let mut app = App::new(look(false));
        press(&mut app, &fleet, &format!(":{typed}"));
        let text = lines(&render(&mut app, &fleet, NOW, (160, 48)));
        let first =
            text.lines().skip_while(|l| !l.contains(&format!(": {typed}"))).nth(1).unwrap_or_default();
        assert!(first.contains(says), "{typed}: {first}");
    }
    // `link` once was a scattered "b(l)... (i)nto the backgrou(n)d": it stopped the program.
    let mut app = App::new(look(false));
    press(&mut app, &fleet, ":link\r");
    assert!(!app.take_effects().iter().any(|e| matches!(e, Effect::Suspend)));
    let mut app = App::new(look(false));
    press(&mut app, &fleet, ":xqzw\r");
    let reads = |e: &Effect| matches!(e, Effect::Watch(_) | Effect::ReadSoon(_) | Effect::ReadProfiles);
    let effects = app.take_effects();
    assert!(effects.iter().all(reads), "letters of no name run nothing: {effects:?}");
}
