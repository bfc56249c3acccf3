//! A tar archive of the simplest kind (POSIX ustar, regular files alone): every tar reads it. There is one way to write a given
//! list of files, and reading takes no other: a changed byte anywhere is an archive that quell did not write.

use std::io::{self, Read, Write};

/// What tar's blocks are long.
const BLOCK: usize = 512;
/// The longest name: what the header's field for it holds.
const NAME: usize = 100;

fn invalid(why: String) -> io::Error {
    io::Error::new(io::ErrorKind::InvalidData, why)
}

/// Is it a name that a case's file can have? Relative, of plain characters, never upwards.
pub(super) fn is_name(name: &str) -> bool {
    let plain = |c: char| c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-' | ':');
    name.len() <= NAME
        && name
            .split('/')
            .all(|part| !part.is_empty() && part != "." && part != ".." && part.chars().all(plain))
}

/// The header of a file: owned by nobody, dated to the beginning of time, for its owner's eyes.
fn header(name: &str, size: u64) -> io::Result<[u8; BLOCK]> {
    if !is_name(name) {
        return Err(invalid(format!("{name:?} is no name for a file of a case")));
    }
    let mut block = [0; BLOCK];
    let mut put = |at: usize, text: &[u8]| {
        for (byte, new) in block.iter_mut().skip(at).zip(text) {
            *byte = *new;
        }
    };
    put(0, name.as_bytes());
    put(100, b"0000600\0");
    put(108, b"0000000\0");
    put(116, b"0000000\0");
    put(124, format!("{size:011o}\0").as_bytes());
    put(136, b"00000000000\0");
    put(148, b"        ");
    put(156, b"0");
    put(257, b"ustar\x0000");
    let sum: u32 = block.iter().map(|byte| u32::from(*byte)).sum();
    let sum = format!("{sum:06o}\0 ");
    for (byte, new) in block.iter_mut().skip(148).zip(sum.bytes()) {
        *byte = new;
    }
    Ok(block)
}

/// Bytes after `size` up to the next block.
fn padding(size: u64) -> usize {
    (BLOCK - usize::try_from(size % BLOCK as u64).unwrap_or_default()) % BLOCK
}

/// Appends a file of `size` bytes.
///
/// # Errors
/// The name cannot be one, the content has another length, or a side cannot be read or written.
pub(super) fn append(out: &mut impl Write, name: &str, size: u64, content: &mut impl Read) -> io::Result<()> {
    out.write_all(&header(name, size)?)?;
    let copied = io::copy(&mut content.take(size), out)?;
    if copied != size {
        return Err(invalid(format!("{name} became shorter while it was read")));
    }
    out.write_all(&[0; BLOCK][..padding(size)])
}

/// Ends the archive.
///
/// # Errors
/// It cannot be written.
pub(super) fn end(out: &mut impl Write) -> io::Result<()> {
    out.write_all(&[0; BLOCK * 2])?;
    out.flush()
}

/// Shows each file of an archive, name, size and content; what `show` leaves unread is passed over.
///
/// # Errors
/// The archive is not byte for byte as [`append`] and [`end`] write it, or cannot be read; or `show` fails.
pub(super) fn each(
    archive: &mut impl Read,
    mut show: impl FnMut(&str, u64, &mut dyn Read) -> io::Result<()>,
) -> io::Result<()> {
    let cut = |e: io::Error| match e.kind() {
        io::ErrorKind::UnexpectedEof => invalid("the archive ends too early".to_owned()),
        _ => e,
    };
    let mut before: Option<String> = None;
    loop {
        let mut block = [0; BLOCK];
        archive.read_exact(&mut block).map_err(cut)?;
        if block.iter().all(|byte| *byte == 0) {
            archive.read_exact(&mut block).map_err(cut)?;
            let more = archive.read(&mut [0])?;
            return match block.iter().all(|byte| *byte == 0) && more == 0 {
                true => Ok(()),
                false => Err(invalid("something follows the archive's end".to_owned())),
            };
        }
        let text = |from: usize, to: usize| {
            let field = block.get(from..to).unwrap_or_default();
            let end = field.iter().position(|byte| *byte == 0).unwrap_or(field.len());
            std::str::from_utf8(field.get(..end).unwrap_or_default()).unwrap_or_default().to_owned()
        };
        let name = text(0, NAME);
        let size = u64::from_str_radix(&text(124, 136), 8)
            .map_err(|_| invalid("a header that is none".to_owned()))?;
        if header(&name, size)? != block {
            return Err(invalid(format!("the header of {name} was changed")));
        }
        if before.as_ref().is_some_and(|before| *before >= name) {
            return Err(invalid(format!("{name} is not where it belongs")));
        }
        let mut content = (&mut *archive).take(size);
        show(&name, size, &mut content)?;
        io::copy(&mut content, &mut io::sink())?;
        if content.limit() > 0 {
            return Err(cut(io::ErrorKind::UnexpectedEof.into()));
        }
        let mut rest = [0; BLOCK];
        let rest = rest.get_mut(..padding(size)).unwrap_or_default();
        archive.read_exact(rest).map_err(cut)?;
        if rest.iter().any(|byte| *byte != 0) {
            return Err(invalid(format!("what follows {name} was changed")));
        }
        before = Some(name);
    }
}
