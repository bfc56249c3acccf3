//! Tables under a hand: what is marked is what was seen, and rows do not move while somebody points at them.

use quell::console::app::Effect;
use quell_fleet::event::Reading;
use quell_fleet::model::{Name, ThingRecord};
use quell_fleet::{Fleet, Limits, Ms, SourceId};
use ratatui::style::Modifier;

use crate::world::*;

const SIZE: (u16, u16) = (120, 26);

fn things(fleet: &mut Fleet, names: &[String]) {
    let record = |name: &String| ThingRecord { name: Name::new(name), thing_type: None };
    poll(fleet, SourceId::Things, Reading::Things(names.iter().map(record).collect()));
}

fn numbered(n: usize) -> Vec<String> {
    (1..=n).map(|i| format!("Thing{i}")).collect()
}

fn alarm(fleet: &mut Fleet, names: &[&str]) {
    let large = || behavior("LargeMessageSize", "aws:message-byte-size", 1000, None);
    let all = names.iter().map(|name| violation(name, name, large(), 3000, NOW - 60_000)).collect();
    poll(fleet, SourceId::Violations, Reading::Violations(all));
}

/// The names in the table, as they stand.
fn rows(text: &str) -> Vec<String> {
    let word = |line: &str| line.split_whitespace().find(|w| w.starts_with("Thing")).map(str::to_owned);
    text.lines().skip(2).take_while(|line| !line.starts_with('╰')).filter_map(word).collect()
}

fn screen(app: &mut App, fleet: &Fleet, now: Ms) -> String {
    lines(&render(app, fleet, now, SIZE))
}

fn planned(app: &mut App) -> Vec<String> {
    let intent = app.take_effects().into_iter().find_map(|effect| match effect {
        Effect::Plan { intent, .. } => Some(intent),
        _ => None,
    });
    let mut names: Vec<String> =
        intent.iter().flat_map(|i| i.things()).map(|t| t.thing.raw().to_owned()).collect();
    names.sort_unstable();
    names
}

#[test]
fn names_sort_as_people_count_and_a_second_press_turns_the_order_round() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &numbered(11));
    let mut app = App::new(look(false));
    let text = screen(&mut app, &fleet, NOW);
    assert_eq!(rows(&text)[..3], ["Thing1", "Thing2", "Thing3"], "{text}");
    assert!(text.contains("worst first ▾") && text.contains("STATE▾") && text.contains(" 1/11 "), "{text}");
    press(&mut app, &fleet, "S");
    let text = screen(&mut app, &fleet, NOW);
    assert!(text.contains("worst last ▴") && text.contains("STATE▴"), "{text}");
    while !screen(&mut app, &fleet, NOW).contains("THING▴") {
        press(&mut app, &fleet, "S");
    }
    let text = screen(&mut app, &fleet, NOW);
    assert_eq!(rows(&text)[..3], ["Thing11", "Thing10", "Thing9"], "{text}");
}

#[test]
fn rows_stay_under_a_hand_and_while_marks_are_set() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &numbered(6));
    let mut app = App::new(look(false));
    screen(&mut app, &fleet, NOW);
    press(&mut app, &fleet, "j");
    // One comes into alarm while a hand is on the list: it would jump to the top.
    alarm(&mut fleet, &["Thing5"]);
    let text = screen(&mut app, &fleet, NOW + 1_000);
    assert_eq!(rows(&text), ["Thing1", "Thing2", "Thing3", "Thing4", "Thing5", "Thing6"], "{text}");
    assert!(text.contains("order held"), "{text}");
    let text = screen(&mut app, &fleet, NOW + 2_500);
    assert_eq!(rows(&text)[..2], ["Thing5", "Thing1"], "{text}");
    assert!(!text.contains("order held"), "{text}");
    // Marks hold it for as long as they are set; who is new comes last.
    press(&mut app, &fleet, " ");
    alarm(&mut fleet, &["Thing5", "Thing4"]);
    things(&mut fleet, &numbered(7));
    let text = screen(&mut app, &fleet, NOW + 60_000);
    assert_eq!(rows(&text).last().map(String::as_str), Some("Thing7"), "{text}");
    assert_eq!(rows(&text)[..2], ["Thing5", "Thing1"], "{text}");
    press(&mut app, &fleet, "\x1b");
    let text = screen(&mut app, &fleet, NOW + 61_000);
    assert_eq!(rows(&text)[..2], ["Thing4", "Thing5"], "{text}");
}

#[test]
fn a_range_is_of_what_was_shown_when_it_began_and_adds_to_what_is_marked() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &numbered(8));
    let mut app = App::new(look(false));
    screen(&mut app, &fleet, NOW);
    // Thing1 by hand, then a range from Thing3 on.
    press(&mut app, &fleet, " jV");
    alarm(&mut fleet, &["Thing8"]);
    screen(&mut app, &fleet, NOW + 30_000);
    press(&mut app, &fleet, "jj");
    screen(&mut app, &fleet, NOW + 31_000);
    press(&mut app, &fleet, "Vi");
    assert_eq!(planned(&mut app), ["Thing1", "Thing3", "Thing4", "Thing5"]);
}

#[test]
fn what_joins_while_a_range_is_marked_is_told_to_be_outside_it() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &numbered(8));
    let mut app = App::new(look(false));
    screen(&mut app, &fleet, NOW);
    press(&mut app, &fleet, "V");
    let text = screen(&mut app, &fleet, NOW + 1_000);
    assert!(text.contains("range") && !text.contains("came since"), "{text}");
    let mut more = numbered(8);
    more.push("Thing1b".to_owned());
    things(&mut fleet, &more);
    let text = screen(&mut app, &fleet, NOW + 2_000);
    assert!(text.contains("range without 1 that came since"), "{text}");
    // Over it and to the end: it is in no range of what was shown.
    press(&mut app, &fleet, "G");
    screen(&mut app, &fleet, NOW + 3_000);
    press(&mut app, &fleet, "kkkkkkkkG");
    press(&mut app, &fleet, "Vi");
    let named = planned(&mut app);
    assert!(!named.iter().any(|name| name == "Thing1b"), "{named:?}");
    assert!(!named.is_empty());
}

#[test]
fn all_that_pass_the_filter_are_marked_and_no_others() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &numbered(12));
    let mut app = App::new(look(false));
    screen(&mut app, &fleet, NOW);
    press(&mut app, &fleet, "/Thing1\n*");
    assert_eq!(app.marked(), 4);
    let text = screen(&mut app, &fleet, NOW);
    assert!(text.contains("4 marked") && text.contains("/4 of 12"), "{text}");
    press(&mut app, &fleet, "i");
    assert_eq!(planned(&mut app), ["Thing1", "Thing10", "Thing11", "Thing12"]);
    press(&mut app, &fleet, "\x1b*");
    assert_eq!(app.marked(), 0, "once more takes them back");
}

#[test]
fn a_filter_is_a_part_of_the_name_and_fuzzy_only_when_asked() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &["Thing-pump-07".to_owned(), "Thing-p-u-m-p".to_owned()]);
    for (filter, found) in [("/pump\n", 1), ("/~pump\n", 2), ("/pmp\n", 0), ("/~pmp\n", 2)] {
        let mut app = App::new(look(false));
        screen(&mut app, &fleet, NOW);
        press(&mut app, &fleet, filter);
        let text = screen(&mut app, &fleet, NOW);
        assert_eq!(rows(&text).len(), found, "{filter}: {text}");
    }
}

#[test]
fn a_chosen_row_is_chosen_as_a_whole() {
    let fleet = incident();
    let mut app = App::new(look(false));
    press(&mut app, &fleet, "j");
    let buffer = render(&mut app, &fleet, NOW, (160, 48));
    let y = (0..48).find(|y| buffer.cell((1, *y)).unwrap().symbol() == "▌").unwrap();
    // As far as the pane goes: beside it stands what is chosen.
    let wide = (2..160).find(|x| buffer.cell((*x, y)).unwrap().symbol() == "│").unwrap();
    for x in 1..wide {
        let cell = buffer.cell((x, y)).unwrap();
        let chosen = cell.modifier.contains(Modifier::REVERSED) || cell.bg == ratatui::style::Color::Gray;
        assert!(chosen, "a hole at {x}: {cell:?}");
    }
}

#[test]
fn a_bar_shows_how_much_of_a_list_is_in_sight() {
    let mut fleet = Fleet::new(Limits::default());
    things(&mut fleet, &numbered(300));
    let mut app = App::new(look(false));
    let edge = |text: &str| -> Vec<bool> {
        text.lines().skip(2).take(10).map(|line| line.ends_with('┃')).collect()
    };
    let top = edge(&screen(&mut app, &fleet, NOW));
    assert!(top[0] && !top[9], "{top:?}");
    press(&mut app, &fleet, "G");
    let text = screen(&mut app, &fleet, NOW);
    assert!(!edge(&text)[0] && text.contains("300/300"), "{text}");
}

#[test]
fn columns_do_not_move_when_the_list_is_scrolled() {
    let mut fleet = Fleet::new(Limits::default());
    let mut names = numbered(60);
    names.push("Thing99-with-a-name-that-is-long".to_owned());
    things(&mut fleet, &names);
    let mut app = App::new(look(false));
    let head = |text: &str| text.lines().find(|line| line.contains("THING")).map(str::to_owned);
    let above = screen(&mut app, &fleet, NOW);
    press(&mut app, &fleet, "G");
    let below = screen(&mut app, &fleet, NOW);
    assert_ne!(rows(&above), rows(&below));
    let state = |text: &str| head(text).and_then(|line| line.find("STATE"));
    assert_eq!(state(&above), state(&below));
}

#[test]
fn a_key_that_does_nothing_here_says_so_for_two_seconds() {
    let fleet = incident();
    for (keys, key) in
        [("#", "#"), ("4S", "S"), ("8\n", "enter"), ("7/", "/"), ("5 ", "space"), ("gx", "g x")]
    {
        let mut app = App::new(look(false));
        render(&mut app, &fleet, NOW, (120, 26));
        press(&mut app, &fleet, keys);
        let text = screen(&mut app, &fleet, NOW + 1_900);
        assert!(text.contains(&format!("{key} does nothing here; ? shows the keys")), "{keys}: {text}");
        assert!(!screen(&mut app, &fleet, NOW + 2_100).contains("does nothing"), "{keys}");
    }
}
