//! The instructor's board: a tile a participant, its state in large letters, to be read from the last row of a room.
//!
//! It knows neither the cloud nor a drill: whoever has a room tells it tiles and is told wishes. Keys in, wishes out, cells
//! from tiles; only [`sit`] touches the terminal.

use std::io;
use std::time::{Duration, Instant};

use crossterm::event::{Event as TerminalEvent, EventStream, KeyCode, KeyEvent, KeyEventKind, KeyModifiers};
use futures_util::StreamExt as _;
use futures_util::stream::select_all;
use ratatui::buffer::Buffer;
use ratatui::layout::Rect;
use ratatui::style::Style;

use super::event_loop::Ends;
use super::ground::Question;
use super::paint::{Paint, part};
use super::terminal::Screen;
use super::theme::Theme;
use super::views::large;
use super::words;
use crate::config::ScreenSize;

/// The smallest tile with large letters: five of them and the frame.
const LARGE: (u16, u16) = (24, 8);
/// The smallest tile.
const SMALL: (u16, u16) = (24, 4);
/// How often the room is looked at.
const LOOK: Duration = Duration::from_millis(500);

/// What a state looks like.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Tone {
    /// Something is wrong and nobody has seen it.
    Alarm,
    /// Seen, not answered.
    Warning,
    /// Answered, not proven.
    Busy,
    /// Nothing to do.
    Calm,
    /// Not begun, or over.
    Away,
    /// All done.
    Good,
}

/// A participant.
#[derive(Clone, Debug, PartialEq)]
pub(crate) struct Tile {
    /// The name.
    pub(crate) name: String,
    /// The state in at most five letters.
    pub(crate) word: &'static str,
    /// What it looks like; the worst first.
    pub(crate) tone: Tone,
    /// How long seeing, answering and proving took.
    pub(crate) times: [String; 3],
    /// Points; none before the drill has begun.
    pub(crate) points: Option<usize>,
    /// Mistakes.
    pub(crate) wrong: usize,
    /// Hints asked for.
    pub(crate) hints: usize,
    /// What happened, in order.
    pub(crate) timeline: Vec<String>,
}

/// What the instructor wants.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Wish {
    /// The next hint for a participant.
    Hint(String),
    /// What the drill has in this place goes wrong now, for a participant; for all without a name.
    Inject(Option<String>, usize),
    /// The drill of a participant begins, or begins anew in an emptied account; of all without a name.
    Begin(Option<String>),
    /// A participant's account is emptied.
    Reset(String),
    /// The standings are written.
    Export,
    /// The room ends.
    Quit,
}

/// What tiles are sorted by.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sort {
    Name,
    State,
    Points,
}

/// The board.
pub(crate) struct Board {
    title: String,
    clock: String,
    tiles: Vec<Tile>,
    sort: Sort,
    /// The participant under the cursor.
    at: String,
    open: bool,
    /// What can be made to go wrong, in the drill's order.
    injects: Vec<String>,
    /// What can be done about the participant is shown; whether about all.
    menu: Option<bool>,
    asked: Option<(String, Wish)>,
    said: String,
    /// Tiles in a row, as last drawn.
    columns: usize,
}

impl Board {
    /// An empty board of a drill in which that can be made to go wrong.
    pub(crate) fn new(title: &str, injects: Vec<String>) -> Self {
        Self {
            title: title.to_owned(),
            clock: String::new(),
            tiles: Vec::new(),
            sort: Sort::Name,
            at: String::new(),
            open: false,
            injects,
            menu: None,
            asked: None,
            said: String::new(),
            columns: 1,
        }
    }

    /// Takes in how the room stands, at a time of the drill.
    pub(crate) fn tell(&mut self, tiles: Vec<Tile>, clock: String) {
        (self.tiles, self.clock) = (tiles, clock);
        self.arrange();
        if !self.tiles.iter().any(|tile| tile.name == self.at) {
            self.at = self.tiles.first().map(|tile| tile.name.clone()).unwrap_or_default();
        }
    }

    /// Says something below the tiles.
    pub(crate) fn say(&mut self, text: String) {
        self.said = text;
    }

    fn arrange(&mut self) {
        self.tiles.sort_by(|a, b| {
            let by = match self.sort {
                Sort::Name => std::cmp::Ordering::Equal,
                Sort::State => a.tone.cmp(&b.tone),
                Sort::Points => b.points.cmp(&a.points),
            };
            by.then_with(|| words::natural(&a.name, &b.name))
        });
    }

    fn place(&self) -> usize {
        self.tiles.iter().position(|tile| tile.name == self.at).unwrap_or(0)
    }

    fn go(&mut self, by: isize) {
        let to = self.place().saturating_add_signed(by).min(self.tiles.len().saturating_sub(1));
        if let Some(tile) = self.tiles.get(to) {
            self.at.clone_from(&tile.name);
        }
    }

    /// A key was pressed; what is wanted.
    pub(crate) fn key(&mut self, key: KeyEvent) -> Option<Wish> {
        if let Some((_, wish)) = self.asked.take() {
            return (key.code == KeyCode::Char('y')).then_some(wish);
        }
        self.said.clear();
        if let Some(all) = self.menu.take() {
            return self.chosen(key, all);
        }
        let ask = |board: &mut Self, what: String, wish| board.asked = Some((what, wish));
        let row = isize::try_from(self.columns).unwrap_or(1);
        let control = key.modifiers.contains(KeyModifiers::CONTROL);
        match key.code {
            KeyCode::Char('c') if control => return Some(Wish::Quit),
            KeyCode::Left | KeyCode::Char('h') => self.go(-1),
            KeyCode::Right | KeyCode::Char('l') => self.go(1),
            KeyCode::Up | KeyCode::Char('k') => self.go(-row),
            KeyCode::Down | KeyCode::Char('j') => self.go(row),
            KeyCode::Enter => self.open = !self.open,
            KeyCode::Esc => self.open = false,
            KeyCode::Char('S') => {
                self.sort = match self.sort {
                    Sort::Name => Sort::State,
                    Sort::State => Sort::Points,
                    Sort::Points => Sort::Name,
                };
                self.arrange();
            }
            KeyCode::Char('x') => self.menu = Some(false),
            KeyCode::Char('b') => {
                let what = format!("Begin the drill of {} anew, in an empty account? y", self.at);
                ask(self, what, Wish::Begin(Some(self.at.clone())));
            }
            KeyCode::Char('B') => {
                ask(self, "Begin the drill of all anew, in empty accounts? y".to_owned(), Wish::Begin(None));
            }
            KeyCode::Char('R') => {
                let what = format!("Empty the account of {}, with everything in it? y", self.at);
                ask(self, what, Wish::Reset(self.at.clone()));
            }
            KeyCode::Char('e') => return Some(Wish::Export),
            KeyCode::Char('q') if self.open => self.open = false,
            KeyCode::Char('q') => ask(self, "End the room for all? y".to_owned(), Wish::Quit),
            _ => {}
        }
        None
    }

    /// A key while the menu of `x` is open. What cannot be taken back is asked for.
    fn chosen(&mut self, key: KeyEvent, all: bool) -> Option<Wish> {
        let whom = if all { "all" } else { self.at.as_str() };
        let one = (!all).then(|| self.at.clone());
        match key.code {
            KeyCode::Char('x') if !all => return Some(Wish::Hint(self.at.clone())),
            KeyCode::Char('a') => self.menu = Some(!all),
            KeyCode::Char('R') if !all => {
                let what = format!("Empty the account of {whom}, with everything in it? y");
                self.asked = Some((what, Wish::Reset(self.at.clone())));
            }
            KeyCode::Char('R') => {
                let what = "Begin the drill of all anew, in empty accounts? y".to_owned();
                self.asked = Some((what, Wish::Begin(None)));
            }
            KeyCode::Char(digit) => {
                let place = digit.to_digit(10).and_then(|n| usize::try_from(n).ok()?.checked_sub(1));
                if let Some((place, what)) = place.and_then(|place| Some((place, self.injects.get(place)?))) {
                    self.asked = Some((format!("For {whom} now: {what}? y"), Wish::Inject(one, place)));
                }
            }
            _ => {}
        }
        None
    }

    /// Draws it all.
    pub(crate) fn draw(&mut self, buf: &mut Buffer, theme: &Theme) {
        let mut paint = Paint::new(buf, theme);
        let area = paint.area();
        paint.clear(area);
        if area.height < 4 || area.width < 20 {
            return;
        }
        let sorted = match self.sort {
            Sort::Name => "by name",
            Sort::State => "worst first",
            Sort::Points => "most points first",
        };
        let dot = theme.symbols.dot;
        let head = [
            part("quell ", theme.brand),
            part(self.clock.as_str(), theme.text),
            part(format!("  {}", self.title), theme.text),
            part(format!("  {dot} {} here {dot} {sorted}", self.tiles.len()), theme.dim),
        ];
        paint.line(area.x + 1, area.y, area.width - 2, &head);
        let body = Rect { y: area.y + 1, height: area.height - 2, ..area };
        if let Some(all) = self.menu {
            self.choices(&mut paint, body, all);
        } else if self.open {
            self.timeline(&mut paint, body);
        } else {
            self.columns = self.grid(&mut paint, body);
        }
        let foot = area.bottom() - 1;
        match (&self.asked, self.said.as_str()) {
            (Some((what, _)), _) => {
                paint.text(area.x + 1, foot, area.width - 2, what, theme.warning);
            }
            (None, "") => {
                let keys = [
                    ("⏎", "timeline"),
                    ("S", "sort"),
                    ("x", "hint, inject"),
                    ("b", "begin"),
                    ("B", "begin all"),
                    ("R", "reset"),
                    ("e", "export"),
                    ("q", "end"),
                ];
                // A menu tells its keys itself.
                let keys = if self.menu.is_some() { &[][..] } else { &keys[..] };
                let mut parts = Vec::new();
                for &(key, what) in keys {
                    let key = if key == "⏎" { theme.symbols.enter } else { key };
                    parts.extend([part(key, theme.key), part(format!(" {what}   "), theme.dim)]);
                }
                paint.line(area.x + 1, foot, area.width - 2, &parts);
            }
            (None, said) => {
                paint.text(area.x + 1, foot, area.width - 2, said, theme.text);
            }
        }
    }

    /// The tiles; how many stand in a row.
    fn grid(&self, paint: &mut Paint<'_>, area: Rect) -> usize {
        let (columns, height) = layout(area, self.tiles.len());
        let width = area.width / columns;
        for (n, tile) in self.tiles.iter().enumerate() {
            let (column, row) = (n % usize::from(columns), n / usize::from(columns));
            let (Ok(column), Ok(row)) = (u16::try_from(column), u16::try_from(row)) else { break };
            let y = row.saturating_mul(height);
            if y.saturating_add(height) > area.height {
                // Whoever does not fit is said to be there.
                let more = format!("{} more: a larger terminal shows them", self.tiles.len() - n);
                paint.right(area.x, area.bottom() - 1, area.width, &more, paint.theme.warning);
                break;
            }
            let place = Rect::new(area.x + column * width, area.y + y, width, height);
            self.tile(paint, place, tile);
        }
        usize::from(columns)
    }

    fn tile(&self, paint: &mut Paint<'_>, area: Rect, tile: &Tile) {
        let theme = paint.theme;
        let style = style(theme, tile.tone);
        let here = tile.name == self.at;
        let frame = if here { theme.focus } else { theme.border };
        let points = tile.points.map_or_else(String::new, |points| format!(" {points} points"));
        let inner = paint.pane(area, &[part(tile.name.as_str(), frame), part(points, theme.dim)], frame);
        let room = inner.width.saturating_sub(1);
        let [seen, held, proven] = &tile.times;
        let times = [
            part("seen ", theme.label),
            part(seen.as_str(), theme.text),
            part(" held ", theme.label),
            part(held.as_str(), theme.text),
            part(" proven ", theme.label),
            part(proven.as_str(), theme.text),
        ];
        let mut marks = Vec::new();
        if tile.wrong > 0 {
            marks.push(part(format!("{} {} wrong  ", theme.symbols.cross, tile.wrong), theme.alarm));
        }
        if tile.hints > 0 {
            let plural = if tile.hints == 1 { "" } else { "s" };
            marks.push(part(format!("{} hint{plural}", tile.hints), theme.dim));
        }
        let wide = large::width(tile.word).filter(|wide| *wide <= inner.width);
        if let Some(wide) = wide
            && inner.height >= LARGE.1 - 2
            && !theme.symbols.ascii
        {
            let top = inner.y + (inner.height + 2 - LARGE.1) / 2;
            large::draw(paint, inner.x + 1, top, room, tile.word, style);
            // The points too, where they fit beside it.
            let points = tile.points.map_or_else(String::new, |points| points.to_string());
            let long = large::width(&points).unwrap_or(u16::MAX);
            if long.saturating_add(wide + 2) <= room {
                large::draw(paint, inner.right() - long, top, long, &points, theme.text);
            }
            paint.line(inner.x + 1, top + large::ROWS + 1, room, &times);
            paint.line(inner.x + 1, top + large::ROWS + 2, room, &marks);
        } else {
            let used = paint.text(inner.x + 1, inner.y, room, tile.word, style);
            paint.line(inner.x + 3 + used, inner.y, room.saturating_sub(used + 2), &marks);
            paint.line(inner.x + 1, inner.y + 1, room, &times);
        }
    }

    /// What `x` offers.
    fn choices(&self, paint: &mut Paint<'_>, area: Rect, all: bool) {
        let theme = paint.theme;
        let whom = if all { "all" } else { self.at.as_str() };
        let inner = paint.pane(area, &[part(whom, theme.focus)], theme.focus);
        let mut lines: Vec<(String, String)> = Vec::new();
        if !all {
            lines.push(("x".to_owned(), "tell the next hint".to_owned()));
        }
        // Nine keys are enough for a drill; what is beyond them cannot be chosen.
        let places = self.injects.iter().take(9).enumerate();
        lines.extend(places.map(|(n, what)| ((n + 1).to_string(), format!("goes wrong now: {what}"))));
        let emptied = if all { "begin anew, in empty accounts" } else { "empty the account" };
        lines.push(("R".to_owned(), emptied.to_owned()));
        lines.push(("a".to_owned(), if all { format!("{} alone", self.at) } else { "for all".to_owned() }));
        lines.push(("esc".to_owned(), "nothing".to_owned()));
        for ((key, what), y) in lines.iter().zip(inner.y..inner.bottom()) {
            let parts = [part(format!("{key:>4}  "), theme.key), part(what.as_str(), theme.text)];
            paint.line(inner.x + 1, y, inner.width.saturating_sub(2), &parts);
        }
    }

    /// One participant's timeline.
    fn timeline(&self, paint: &mut Paint<'_>, area: Rect) {
        let theme = paint.theme;
        let Some(tile) = self.tiles.get(self.place()) else { return };
        let points = tile.points.map_or_else(String::new, |points| format!("  {points} points"));
        let title = [part(tile.name.as_str(), theme.focus), part(points, theme.text)];
        let inner = paint.pane(area, &title, theme.focus);
        let room = inner.width.saturating_sub(2);
        if tile.timeline.is_empty() {
            paint.text(inner.x + 1, inner.y, room, "nothing has happened yet", theme.dim);
        }
        // The latest is what is asked for.
        let skipped = tile.timeline.len().saturating_sub(usize::from(inner.height));
        for (line, y) in tile.timeline.iter().skip(skipped).zip(inner.y..inner.bottom()) {
            paint.text(inner.x + 1, y, room, line, theme.text);
        }
    }
}

/// How many tiles stand in a row, and how high they are: large letters where all tiles fit with them.
fn layout(area: Rect, tiles: usize) -> (u16, u16) {
    let tiles = u16::try_from(tiles).unwrap_or(u16::MAX).max(1);
    let most = (area.width / SMALL.0).max(1);
    let fits = |columns: &u16| area.height / tiles.div_ceil(*columns) >= LARGE.1;
    // As few columns as it takes: wide tiles are high ones' equals, and a room of three should fill the wall.
    let columns = (1..=most).find(fits).unwrap_or(most).min(tiles);
    let rows = tiles.div_ceil(columns);
    (columns, (area.height / rows).clamp(SMALL.1, 12))
}

fn style(theme: &Theme, tone: Tone) -> Style {
    match tone {
        Tone::Alarm => theme.alarm,
        Tone::Warning => theme.warning,
        Tone::Busy => theme.busy,
        Tone::Calm => theme.text,
        Tone::Away => theme.dim,
        Tone::Good => theme.good,
    }
}

/// Who has a room to show.
pub(crate) trait Room {
    /// How it stands, and the time.
    fn look(&mut self) -> (Vec<Tile>, String);
    /// Does what the instructor wants, all but ending; what to say.
    async fn carry_out(&mut self, wish: Wish) -> String;
}

/// Shows the room until it is ended, or a signal ends it.
///
/// # Errors
/// The terminal cannot be taken or written to.
pub(crate) async fn sit(
    theme: &Theme,
    size: Option<ScreenSize>,
    title: &str,
    injects: Vec<String>,
    room: &mut impl Room,
) -> io::Result<()> {
    let mut ends = Ends::new()?;
    let mut screen = Screen::take(size, false)?;
    let mut theme = theme.clone();
    let mut board = Board::new(title, injects);
    let (tiles, clock) = room.look();
    board.tell(tiles, clock);
    screen.draw(|frame| board.draw(frame.buffer_mut(), &theme))?;
    // After the first frame: nothing waits for the answer.
    let mut question = Question::default();
    screen.ask_ground(&theme, &mut question)?;
    // Looked at when it was woken, and not at each turn: each look spins for a lock that its own thread holds all the time.
    let mut keys = select_all([EventStream::new()]);
    let mut beat = tokio::time::interval(LOOK);
    loop {
        let wish = tokio::select! {
            biased;
            key = keys.next() => match key {
                Some(Ok(TerminalEvent::Key(key))) if key.kind != KeyEventKind::Release => {
                    let (keys, ground) = question.take(key, Instant::now());
                    if let Some(ground) = ground {
                        theme = theme.on(ground);
                    }
                    keys.into_iter().fold(None, |wish, key| board.key(key).or(wish))
                }
                Some(Ok(TerminalEvent::Resize(columns, rows))) => {
                    screen.resized(columns, rows);
                    screen.forget()?;
                    None
                }
                Some(Ok(_)) => None,
                // Nobody is left to look.
                Some(Err(_)) | None => break,
            },
            _ = ends.any() => break,
            _ = beat.tick() => {
                if Screen::is_gone() {
                    break;
                }
                let (tiles, clock) = room.look();
                board.tell(tiles, clock);
                None
            }
        };
        match wish {
            Some(Wish::Quit) => break,
            Some(wish) => {
                let said = room.carry_out(wish).await;
                board.say(said);
                let (tiles, clock) = room.look();
                board.tell(tiles, clock);
            }
            None => {}
        }
        screen.draw(|frame| board.draw(frame.buffer_mut(), &theme))?;
    }
    if question.is_open(Instant::now()) {
        Screen::forget_input();
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::console::theme::Colours;

    fn tile(n: usize) -> Tile {
        let (word, tone) = match n % 5 {
            0 => ("ALARM", Tone::Alarm),
            1 => ("SEEN", Tone::Warning),
            2 => ("HELD", Tone::Busy),
            3 => ("DONE", Tone::Good),
            _ => ("CALM", Tone::Calm),
        };
        Tile {
            name: format!("p{n:02}"),
            word,
            tone,
            times: ["0:42", "1:10", "–"].map(str::to_owned),
            points: Some(n),
            wrong: usize::from(n == 7),
            hints: 0,
            timeline: vec![format!("1:00 it goes wrong for {n}")],
        }
    }

    fn shown(board: &mut Board, width: u16, height: u16) -> Vec<String> {
        let theme = Theme::named(None, Colours::Sixteen, false).unwrap();
        let mut buf = Buffer::empty(Rect::new(0, 0, width, height));
        board.draw(&mut buf, &theme);
        (0..height).map(|y| (0..width).map(|x| buf[(x, y)].symbol().to_owned()).collect::<String>()).collect()
    }

    fn board(n: usize) -> Board {
        let injects = vec!["Thing02: messages of 3000 bytes".to_owned(), "dev-IZWB: a clone".to_owned()];
        let mut board = Board::new("One of six devices does not do what it should.", injects);
        board.tell((1..=n).map(tile).collect(), "3:20".to_owned());
        board
    }

    fn press(board: &mut Board, keys: &str) -> Option<Wish> {
        let mut wish = None;
        for c in keys.chars() {
            wish = board.key(KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE));
        }
        wish
    }

    #[test]
    fn thirty_are_all_to_be_seen_at_both_sizes_and_large_where_there_is_room() {
        for (width, height, is_large) in [(200, 50, true), (120, 36, false)] {
            let lines = shown(&mut board(30), width, height);
            for n in 1..=30 {
                assert!(lines.iter().any(|line| line.contains(&format!("p{n:02} "))), "p{n:02} at {width}");
            }
            assert_eq!(lines.iter().any(|line| line.contains("█▀█")), is_large, "{lines:#?}");
            assert_eq!(lines.iter().any(|line| line.contains("ALARM")), !is_large);
            assert!(lines.iter().any(|line| line.contains("✗ 1 wrong")), "{lines:#?}");
        }
        let few = shown(&mut board(3), 120, 36);
        // Three on a wall: the points of p03 stand large beside its state.
        assert!(few.iter().any(|line| line.contains("▄▄█") || line.contains("▀▀█")), "{few:#?}");
        assert!(few.iter().any(|line| line.contains("seen 0:42 held 1:10 proven –")), "{few:#?}");
    }

    #[test]
    fn whoever_does_not_fit_is_said_to_be_there() {
        let lines = shown(&mut board(60), 60, 12);
        assert!(lines.iter().any(|line| line.contains("more: a larger terminal")), "{lines:#?}");
        for (width, height) in [(0, 0), (1, 1), (19, 3), (20, 4), (24, 6)] {
            shown(&mut board(60), width, height);
            shown(&mut board(0), width, height);
        }
    }

    #[test]
    fn the_cursor_stays_with_its_participant_when_the_order_changes() {
        let mut board = board(10);
        shown(&mut board, 120, 36);
        press(&mut board, "ll");
        assert_eq!(press(&mut board, "xx"), Some(Wish::Hint("p03".to_owned())));
        press(&mut board, "SS");
        assert_eq!(board.tiles[0].name, "p10", "most points first");
        assert_eq!(press(&mut board, "xx"), Some(Wish::Hint("p03".to_owned())));
        press(&mut board, "S");
        press(&mut board, "j");
        assert_ne!(board.at, "p03");
    }

    #[test]
    fn what_cannot_be_taken_back_is_asked_for() {
        let mut board = board(2);
        for (key, wish) in [
            ("R", Wish::Reset("p01".to_owned())),
            ("b", Wish::Begin(Some("p01".to_owned()))),
            ("B", Wish::Begin(None)),
            ("q", Wish::Quit),
        ] {
            assert_eq!(press(&mut board, key), None);
            assert_eq!(press(&mut board, "n"), None, "{key}");
            assert_eq!(press(&mut board, key), None);
            let lines = shown(&mut board, 120, 36);
            assert!(lines[35].contains("? y"), "{}", lines[35]);
            assert_eq!(press(&mut board, "y"), Some(wish));
        }
    }

    #[test]
    fn x_offers_a_hint_what_can_go_wrong_and_an_empty_account_for_one_or_all() {
        let mut board = board(3);
        shown(&mut board, 120, 36);
        press(&mut board, "lx");
        let lines = shown(&mut board, 120, 36);
        for offered in
            ["x  tell the next hint", "1  goes wrong now: Thing02: messages", "2  goes wrong now: dev-IZWB"]
        {
            assert!(lines.iter().any(|line| line.contains(offered)), "{offered}: {lines:#?}");
        }
        for (keys, wish) in [
            ("2", Wish::Inject(Some("p02".to_owned()), 1)),
            ("R", Wish::Reset("p02".to_owned())),
            ("a1", Wish::Inject(None, 0)),
            ("aR", Wish::Begin(None)),
            ("aaR", Wish::Reset("p02".to_owned())),
        ] {
            board.menu = None;
            press(&mut board, "x");
            assert_eq!(press(&mut board, keys), None, "{keys}");
            assert!(shown(&mut board, 120, 36)[35].contains("? y"), "{keys}");
            assert_eq!(press(&mut board, "y"), Some(wish));
        }
        // What is not offered does nothing, and nothing moves behind it.
        for keys in ["x3y", "xay", "x0y", "xly"] {
            board.menu = None;
            assert_eq!(press(&mut board, keys), None, "{keys}");
            assert!(board.at == "p02" && board.asked.is_none(), "{keys}");
        }
        for (width, height) in [(20, 4), (24, 6)] {
            board.menu = Some(true);
            shown(&mut board, width, height);
        }
    }

    #[test]
    fn enter_opens_a_timeline_and_q_closes_it_first() {
        let mut board = board(2);
        board.key(KeyEvent::new(KeyCode::Enter, KeyModifiers::NONE));
        let lines = shown(&mut board, 120, 36);
        assert!(lines.iter().any(|line| line.contains("it goes wrong for 1")), "{lines:#?}");
        assert_eq!(press(&mut board, "q"), None);
        assert!(board.asked.is_none() && !board.open);
    }
}
