//! What comes in, cut into whole lines.

use std::mem::take;

use zeroize::Zeroizing;

use crate::service::admin::moving::line::LONGEST_LINE;

/// So many bytes are kept together, or more where the last line begins before that.
const CHUNK: usize = 64 * 1024;

/// Whole lines, one after another.
#[derive(Debug)]
pub(super) struct WholeLines {
    /// The number of the first one, from 1.
    pub(super) first: u64,
    pub(super) last: u64,
    pub(super) text: Zeroizing<Vec<u8>>,
}

/// Cuts what comes in.
#[derive(Debug, Default)]
pub(super) struct LineCutter {
    held: Zeroizing<Vec<u8>>,
    /// Bytes of the line that is not whole yet, as far as they are kept.
    of_line: usize,
    /// Whole lines that were given out.
    given: u64,
    /// Whole lines that are held.
    whole: u64,
    has_content: bool,
}

impl LineCutter {
    /// Takes the next bytes, and gives what is enough to be kept together.
    pub(super) fn push(&mut self, bytes: &[u8]) -> Vec<WholeLines> {
        let mut ready = Vec::new();
        for part in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, is_whole) = match part.split_last() {
                Some((b'\n', text)) => (text, true),
                _ => (part, false),
            };
            // Of a line that is too long, as much is kept as tells so.
            let kept = text.len().min((LONGEST_LINE + 1).saturating_sub(self.of_line));
            self.held.extend(text.iter().take(kept));
            self.of_line += kept;
            self.has_content |= !text.trim_ascii().is_empty();
            if is_whole {
                self.end_line();
                if self.held.len() >= CHUNK {
                    ready.extend(self.give());
                }
            }
        }
        ready
    }

    /// Gives what is left when all has come in.
    pub(super) fn finish(&mut self) -> Option<WholeLines> {
        if self.of_line > 0 {
            self.end_line();
        }
        self.give()
    }

    /// How many lines there were.
    pub(super) fn lines(&self) -> u64 {
        self.given + self.whole
    }

    /// Whether one of them was not blank.
    pub(super) fn has_content(&self) -> bool {
        self.has_content
    }

    fn end_line(&mut self) {
        self.held.push(b'\n');
        self.of_line = 0;
        self.whole += 1;
    }

    fn give(&mut self) -> Option<WholeLines> {
        let text = take(&mut self.held);
        let first = self.given + 1;
        self.given += take(&mut self.whole);
        (!text.is_empty()).then_some(WholeLines { first, last: self.given, text })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// All lines with their numbers, as they are read again.
    fn cut(parts: &[&[u8]]) -> (Vec<(u64, Vec<u8>)>, u64) {
        let mut cutter = LineCutter::default();
        let mut all: Vec<WholeLines> = parts.iter().flat_map(|part| cutter.push(part)).collect();
        all.extend(cutter.finish());
        let lines = all.iter().flat_map(|chunk| {
            let lines = chunk.text.split(|byte| *byte == b'\n').map(<[u8]>::to_vec);
            (chunk.first..=chunk.last).zip(lines)
        });
        (lines.collect(), cutter.lines())
    }

    #[test]
    fn lines_are_the_same_wherever_what_comes_in_is_cut() {
        let text = b"one\n\n{\"two\": 2}\r\n  \nlast";
        let (whole, count) = cut(&[text]);
        assert_eq!(count, 5);
        assert_eq!(whole.first().unwrap(), &(1, b"one".to_vec()));
        assert_eq!(whole.last().unwrap(), &(5, b"last".to_vec()));
        for at in 0..=text.len() {
            let (head, tail) = text.split_at(at);
            assert_eq!(cut(&[head, tail]), (whole.clone(), 5), "cut at {at}");
        }
        let bytes: Vec<&[u8]> = text.chunks(1).collect();
        assert_eq!(cut(&bytes), (whole, 5));
    }

    #[test]
    fn much_is_given_out_in_parts_of_whole_lines() {
        let line = [b"x".repeat(999), b"\n".to_vec()].concat();
        let text = line.repeat(1000);
        let mut cutter = LineCutter::default();
        let mut parts: Vec<WholeLines> = text.chunks(7777).flat_map(|part| cutter.push(part)).collect();
        parts.extend(cutter.finish());
        assert!(parts.iter().all(|part| part.text.len() <= CHUNK + 1000 && part.text.ends_with(b"x\n")));
        assert_eq!(parts.len(), 16);
        let mut next = 1;
        for part in &parts {
            assert_eq!(
                (part.first, part.text.len()),
                (next, line.len() * usize::try_from(part.last + 1 - next).unwrap())
            );
            next = part.last + 1;
        }
        assert_eq!((next, cutter.lines()), (1001, 1000));
    }

    #[test]
    fn of_a_line_that_is_too_long_as_much_is_kept_as_tells_so() {
        let (long, fit) = (b"x".repeat(1_000_000), b"y".repeat(LONGEST_LINE));
        let text = [&long[..], &fit, b"z"].join(&b'\n');
        for size in [1000, LONGEST_LINE, 10_000_000] {
            let parts: Vec<&[u8]> = text.chunks(size).collect();
            let (lines, count) = cut(&parts);
            let lengths: Vec<usize> = lines.iter().map(|(_, line)| line.len()).collect();
            assert_eq!((count, lengths), (3, vec![LONGEST_LINE + 1, LONGEST_LINE, 1]), "{size}");
        }
    }

    #[test]
    fn blanks_are_no_content() {
        for (text, lines, has_content) in
            [("", 0, false), ("\n", 1, false), (" \r\n\t\n ", 3, false), ("\n a", 2, true)]
        {
            let mut cutter = LineCutter::default();
            cutter.push(text.as_bytes());
            cutter.finish();
            assert_eq!((cutter.lines(), cutter.has_content()), (lines, has_content), "{text:?}");
        }
    }
}
