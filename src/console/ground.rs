//! What the terminal writes on, asked of it: OSC 11, after the first frame, and the answer taken out of the keys.
//!
//! The answer comes in like typed keys, at any time: on a slow line long after a wait would have been over, and then
//! `rgb:` would be four commands. So nothing waits for it, and it is known by its form among the keys, which go on at once
//! when they are not it. A library that reads the terminal itself would have to wait, and to swallow what was typed
//! meanwhile.

use std::time::{Duration, Instant};

use crossterm::event::{KeyCode, KeyEvent, KeyModifiers};

use super::theme::Ground;

/// The question.
pub(super) const ASK: &[u8] = b"\x1b]11;?\x1b\\";
/// An answer that takes longer does not come.
const PATIENCE: Duration = Duration::from_secs(10);
/// No answer is longer.
const LONGEST: usize = 40;

/// A question that may be answered among the keys.
#[derive(Debug, Default)]
pub(super) struct Question {
    asked: Option<Instant>,
    escaped: bool,
    held: Vec<KeyEvent>,
    text: String,
}

/// Whether a terminal understands the question; one that does not would show it.
pub(super) fn is_understood(term: Option<&str>) -> bool {
    let term = term.unwrap_or_default();
    let deaf = ["dumb", "linux", "ansi", "cons25", "vt5", "vt1", "vt2", "unknown"];
    !term.is_empty() && !deaf.iter().any(|name| term.starts_with(name))
}

impl Question {
    /// It was asked.
    pub(super) fn ask(&mut self, now: Instant) {
        self.asked = Some(now);
    }

    /// Whether the answer may still come.
    pub(super) fn is_open(&self, now: Instant) -> bool {
        self.asked.is_some_and(|at| now - at < PATIENCE)
    }

    /// A key came: the keys to go on with, and the ground if it ended the answer.
    pub(super) fn take(&mut self, key: KeyEvent, now: Instant) -> (Vec<KeyEvent>, Option<Ground>) {
        let escaped = std::mem::replace(&mut self.escaped, key.code == KeyCode::Esc);
        if self.held.is_empty() {
            let begins = match key.code {
                KeyCode::Char(']') => key.modifiers == KeyModifiers::ALT || escaped,
                _ => false,
            };
            if !begins || !self.is_open(now) {
                return (vec![key], None);
            }
            self.held.push(key);
            return (Vec::new(), None);
        }
        self.held.push(key);
        let ends = matches!(
            (key.code, key.modifiers),
            (KeyCode::Char('g'), KeyModifiers::CONTROL) | (KeyCode::Char('\\'), KeyModifiers::ALT)
        );
        if ends && let Some(ground) = parsed(&self.text) {
            *self = Self::default();
            return (Vec::new(), Some(ground));
        }
        match key.code {
            // The two bytes of its end, told apart by a reader that was woken between them.
            KeyCode::Esc => return (Vec::new(), None),
            KeyCode::Char('\\') if escaped => {
                if let Some(ground) = parsed(&self.text) {
                    *self = Self::default();
                    return (Vec::new(), Some(ground));
                }
            }
            KeyCode::Char(c) if (key.modifiers - KeyModifiers::SHIFT).is_empty() && !escaped => {
                self.text.push(c);
                if self.text.len() <= LONGEST && may_be(&self.text) {
                    return (Vec::new(), None);
                }
            }
            _ => {}
        }
        // It was typed.
        self.text.clear();
        (std::mem::take(&mut self.held), None)
    }
}

/// Whether a text may be the beginning of an answer.
fn may_be(text: &str) -> bool {
    const HEAD: &str = "11;rgb";
    if text.len() <= HEAD.len() {
        return HEAD.starts_with(text);
    }
    let rest = text.strip_prefix(HEAD).unwrap_or("!");
    let rest = rest.strip_prefix('a').unwrap_or(rest);
    rest.strip_prefix(':')
        .map_or(rest.is_empty(), |parts| parts.chars().all(|c| c.is_ascii_hexdigit() || c == '/'))
}

/// `11;rgb:1e1e/1e1e/1e1e`, each part of one to four digits.
fn parsed(text: &str) -> Option<Ground> {
    let (_, parts) = text.strip_prefix("11;rgb")?.split_once(':')?;
    let mut parts = parts.split('/').map(|part| {
        let value = u32::from_str_radix(part, 16).ok()?;
        let most = 16_u32.checked_pow(u32::try_from(part.len()).ok()?)? - 1;
        (part.len() <= 4).then(|| f64::from(value) / f64::from(most))
    });
    let mut next = || parts.next().flatten();
    Some(Ground::of(next()?, next()?, next()?))
}

#[cfg(test)]
mod tests {
    use super::*;

    fn plain(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::NONE)
    }

    fn alt(c: char) -> KeyEvent {
        KeyEvent::new(KeyCode::Char(c), KeyModifiers::ALT)
    }

    fn fed(question: &mut Question, keys: &[KeyEvent], now: Instant) -> (Vec<KeyEvent>, Option<Ground>) {
        let (mut on, mut ground) = (Vec::new(), None);
        for key in keys {
            let (more, found) = question.take(*key, now);
            on.extend(more);
            ground = ground.or(found);
        }
        (on, ground)
    }

    fn answer(text: &str) -> Vec<KeyEvent> {
        std::iter::once(alt(']')).chain(text.chars().map(plain)).chain([alt('\\')]).collect()
    }

    #[test]
    fn an_answer_is_no_key_and_keys_are_no_answer() {
        let now = Instant::now();
        let mut question = Question::default();
        question.ask(now);
        let mut keys = vec![plain('j')];
        keys.extend(answer("11;rgb:fdfd/f6f6/e3e3"));
        keys.push(plain('k'));
        assert_eq!(fed(&mut question, &keys, now), (vec![plain('j'), plain('k')], Some(Ground::Light)));
        // Answered: what looks like one is typed now.
        let typed = answer("11;rgb:0/0/0");
        assert_eq!(fed(&mut question, &typed, now), (typed.clone(), None));
    }

    #[test]
    fn what_only_begins_like_an_answer_goes_on_whole() {
        let now = Instant::now();
        for typed in [
            vec![alt(']'), plain('q')],
            answer("11;rgb:zz"),
            vec![alt(']'), plain('1'), plain('1'), alt('x')],
        ] {
            let mut question = Question::default();
            question.ask(now);
            assert_eq!(fed(&mut question, &typed, now), (typed.clone(), None));
        }
        // Nobody asked.
        let typed = answer("11;rgb:0/0/0");
        assert_eq!(fed(&mut Question::default(), &typed, now), (typed.clone(), None));
    }

    #[test]
    fn an_answer_cut_between_its_bytes_is_known_too() {
        let now = Instant::now();
        let escape = KeyEvent::new(KeyCode::Esc, KeyModifiers::NONE);
        let mut keys = vec![escape, plain(']')];
        keys.extend("11;rgba:1e/1e/1e/ff".chars().map(plain));
        keys.extend([escape, plain('\\')]);
        let mut question = Question::default();
        question.ask(now);
        assert_eq!(fed(&mut question, &keys, now), (vec![escape], Some(Ground::Dark)));
    }

    #[test]
    fn a_terminal_that_would_show_the_question_is_not_asked() {
        assert!(is_understood(Some("xterm-256color")) && is_understood(Some("tmux")));
        for term in [None, Some(""), Some("dumb"), Some("linux"), Some("vt100")] {
            assert!(!is_understood(term), "{term:?}");
        }
    }

    proptest::proptest! {
        /// Whatever is typed while the question is open comes through, in order, or is held as the beginning of an answer.
        #[test]
        fn no_key_is_lost(codes in proptest::collection::vec((0u8..6, 0u8..3), 0..40)) {
            let keys: Vec<KeyEvent> = codes.iter().map(|(c, m)| {
                let code = match c { 0 => KeyCode::Char(']'), 1 => KeyCode::Char('1'), 2 => KeyCode::Esc, 3 => KeyCode::Char('\\'), 4 => KeyCode::Char(';'), _ => KeyCode::Char('r') };
                KeyEvent::new(code, [KeyModifiers::NONE, KeyModifiers::ALT, KeyModifiers::CONTROL][usize::from(*m)])
            }).collect();
            let now = Instant::now();
            let mut question = Question::default();
            question.ask(now);
            let (on, ground) = fed(&mut question, &keys, now);
            proptest::prop_assert_eq!(ground, None);
            let all: Vec<KeyEvent> = on.into_iter().chain(question.held).collect();
            proptest::prop_assert_eq!(all, keys);
        }
    }
}
