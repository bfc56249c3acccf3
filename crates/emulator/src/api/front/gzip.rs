//! Bodies that came compressed: SDKs do so with PutMetricData from 10 KiB on.

use bytes::Bytes;

/// The body of a gzip member (RFC 1952), at most `most` bytes. The checksum is not verified: the signature covers it.
pub(super) fn inflate(body: &[u8], most: usize) -> Option<Bytes> {
    let (header, mut rest) = body.split_at_checked(10)?;
    let [0x1f, 0x8b, 8, flags, ..] = *header else { return None };
    if flags & 0x04 != 0 {
        let (length, tail) = rest.split_first_chunk::<2>()?;
        rest = tail.get(usize::from(u16::from_le_bytes(*length))..)?;
    }
    // File name and comment, each to its zero byte.
    for flag in [0x08, 0x10] {
        if flags & flag != 0 {
            rest = rest.get(rest.iter().position(|b| *b == 0)? + 1..)?;
        }
    }
    if flags & 0x02 != 0 {
        rest = rest.get(2..)?;
    }
    miniz_oxide::inflate::decompress_to_vec_with_limit(rest, most).ok().map(Bytes::from)
}

#[cfg(test)]
mod tests {
    use super::inflate;

    fn gzip(body: &[u8], flags: u8, extra: &[u8]) -> Vec<u8> {
        let mut out = vec![0x1f, 0x8b, 8, flags, 0, 0, 0, 0, 0, 3];
        out.extend_from_slice(extra);
        out.extend(miniz_oxide::deflate::compress_to_vec(body, 6));
        out.extend([0; 8]);
        out
    }

    #[test]
    fn a_body_is_what_it_was_whatever_the_header_carries() {
        let body = b"MetricData".repeat(1000);
        assert_eq!(inflate(&gzip(&body, 0, b""), 100_000).as_deref(), Some(&body[..]));
        let extra = b"\x02\0xyname\0comment\0hc";
        assert_eq!(inflate(&gzip(&body, 0x1e, extra), 100_000).as_deref(), Some(&body[..]));
    }

    #[test]
    fn what_is_not_gzip_or_too_large_is_refused() {
        let body = vec![0; 100_000];
        assert_eq!(inflate(&gzip(&body, 0, b""), 1000), None);
        assert_eq!(inflate(b"{}", 1000), None);
        assert_eq!(inflate(&gzip(b"x", 0x08, b"")[..12], 1000), None);
    }
}
