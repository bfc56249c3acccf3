//! Many short texts one after another: none needs an allocation or a pointer of its own.
//!
//! A million topics have to be told apart, in the stream and in the fleet; each as an `Arc<str>` would take twice its length and a
//! table that doubles would be copied. Pieces of 64 KiB are never moved.

/// Bytes of a piece: the longest text, and what 16 bits count.
const PIECE: usize = 1 << 16;

/// Texts that are never taken out, but all at once.
#[derive(Debug, Default)]
pub struct Texts {
    pieces: Vec<String>,
}

/// Where a text stands in [`Texts`]. Six bytes.
#[derive(Clone, Copy, Debug)]
pub struct Place {
    piece: u16,
    begin: u16,
    length: u16,
}

impl Texts {
    /// Takes a text in; `None` where it is 64 KiB or longer, or where 4 GiB are full.
    pub fn push(&mut self, text: &str) -> Option<Place> {
        let length = u16::try_from(text.len()).ok()?;
        let fits = |piece: &String| piece.len() < PIECE && piece.len() + text.len() <= PIECE;
        if !self.pieces.last().is_some_and(fits) {
            let next = self.pieces.len();
            u16::try_from(next).ok()?;
            self.pieces.push(String::with_capacity(PIECE));
        }
        let piece = u16::try_from(self.pieces.len() - 1).ok()?;
        let last = self.pieces.last_mut()?;
        let begin = u16::try_from(last.len()).ok()?;
        last.push_str(text);
        Some(Place { piece, begin, length })
    }

    /// A text; empty where the place is one of other texts.
    pub fn get(&self, place: Place) -> &str {
        let Place { piece, begin, length } = place;
        let (begin, length) = (usize::from(begin), usize::from(length));
        let piece = self.pieces.get(usize::from(piece));
        piece.and_then(|piece| piece.get(begin..begin + length)).unwrap_or_default()
    }

    /// Whether `text` is what stands there: [`Self::get`] and a comparison, without looking where characters begin.
    #[inline]
    pub fn is(&self, place: Place, text: &str) -> bool {
        let begin = usize::from(place.begin);
        let piece = self.pieces.get(usize::from(place.piece));
        let there = piece.and_then(|piece| piece.as_bytes().get(begin..begin + usize::from(place.length)));
        there == Some(text.as_bytes())
    }

    /// Takes all out.
    pub fn clear(&mut self) {
        self.pieces.clear();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    proptest::proptest! {
        #[test]
        fn each_is_told_as_it_was(lengths in proptest::collection::vec(0_usize..40_000, 1..40)) {
            let mut texts = Texts::default();
            let all: Vec<String> = lengths.iter().map(|n| "aé世\u{1f980}".chars().cycle().take(*n / 3).collect()).collect();
            let places: Vec<Place> = all.iter().map(|text| texts.push(text).unwrap()).collect();
            for (text, place) in all.iter().zip(&places) {
                proptest::prop_assert_eq!(texts.get(*place), text);
                proptest::prop_assert!(texts.is(*place, text));
                proptest::prop_assert!(all.iter().all(|other| texts.is(*place, other) == (text == other)));
            }
        }
    }

    #[test]
    fn a_piece_is_filled_to_its_end_and_no_further() {
        let mut texts = Texts::default();
        let long = "x".repeat(PIECE - 1);
        let places = [long.as_str(), "y", "", "z"].map(|text| texts.push(text).unwrap());
        assert_eq!(places.map(|place| texts.get(place).len()), [PIECE - 1, 1, 0, 1]);
        assert_eq!(texts.pieces.len(), 2);
        assert!(texts.push(&"x".repeat(PIECE)).is_none());
        texts.clear();
        assert_eq!((texts.get(places[1]), texts.is(places[1], "")), ("", false));
    }
}
