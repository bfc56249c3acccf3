//! `aws-chunked`: how the AWS SDKs upload a body whose checksum or signature comes piecewise.

use bytes::Bytes;

/// The body itself of an `aws-chunked` upload: chunks of `SIZE[;chunk-signature=…]\r\nDATA\r\n`, a chunk of size 0, and
/// trailers, which are not verified. `None` when it is not well-formed.
pub(super) fn decode(body: &[u8]) -> Option<Bytes> {
    let mut out = Vec::with_capacity(body.len());
    let mut rest = body;
    loop {
        let end = rest.windows(2).position(|w| w == b"\r\n")?;
        let (line, tail) = rest.split_at_checked(end)?;
        let line = std::str::from_utf8(line).ok()?;
        let size = usize::from_str_radix(line.split(';').next()?.trim(), 16).ok()?;
        rest = tail.strip_prefix(b"\r\n")?;
        if size == 0 {
            return Some(out.into());
        }
        out.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
}

#[cfg(test)]
mod tests {
    use super::decode;

    #[test]
    fn chunks_are_joined_and_signatures_and_trailers_left_out() {
        let sent =
            b"3;chunk-signature=ab\r\nabc\r\nA\r\n0123456789\r\n0\r\nx-amz-checksum-crc32:AAAA\r\n\r\n";
        assert_eq!(decode(sent).as_deref(), Some(&b"abc0123456789"[..]));
        assert_eq!(decode(b"0\r\n\r\n").as_deref(), Some(&b""[..]));
    }

    #[test]
    fn a_body_cut_short_is_refused() {
        assert_eq!(decode(b"5\r\nabc"), None);
        assert_eq!(decode(b"3\r\nabcX\r\n0\r\n"), None);
        assert_eq!(decode(b"zz\r\n"), None);
        assert_eq!(decode(b"FFFFFFFFFFFFFFFF\r\nabc"), None);
    }
}
