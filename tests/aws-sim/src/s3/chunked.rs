//! The `aws-chunked` coding of request bodies.

use http::{HeaderMap, HeaderName, HeaderValue};

/// A body as it was meant, and the headers that came behind it.
#[derive(Debug, Default, PartialEq)]
pub struct Decoded {
    pub body: Vec<u8>,
    pub trailers: HeaderMap,
}

/// Takes the chunks (whose signatures are not verified) off a body, as
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming.html> and
/// <https://docs.aws.amazon.com/AmazonS3/latest/API/sigv4-streaming-trailers.html>
/// describe it. `None` if the body is not in that form.
pub fn decode(mut rest: &[u8]) -> Option<Decoded> {
    let mut decoded = Decoded::default();
    loop {
        let size = line(&mut rest)?;
        let size = size.split(';').next()?.trim();
        let size = usize::from_str_radix(size, 16).ok()?;
        if size == 0 {
            break;
        }
        decoded.body.extend_from_slice(rest.get(..size)?);
        rest = rest.get(size..)?.strip_prefix(b"\r\n")?;
    }
    // Behind the last chunk: trailing headers, if any, and an empty line that
    // some clients leave out.
    while !rest.is_empty() {
        let text = line(&mut rest)?;
        let Some((name, value)) = text.split_once(':') else {
            if text.trim().is_empty() {
                continue;
            }
            return None;
        };
        let name: HeaderName = name.trim().to_ascii_lowercase().parse().ok()?;
        if name != "x-amz-trailer-signature" {
            decoded.trailers.insert(name, HeaderValue::from_str(value.trim()).ok()?);
        }
    }
    Some(decoded)
}

/// The text up to the next line end, which is taken off with it.
fn line<'a>(rest: &mut &'a [u8]) -> Option<&'a str> {
    let end = rest.iter().position(|byte| *byte == b'\n')?;
    let (text, tail) = rest.split_at(end);
    *rest = &tail[1..];
    std::str::from_utf8(text.strip_suffix(b"\r").unwrap_or(text)).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signed_chunks() {
        let coded = b"5;chunk-signature=ab\r\nhello\r\n6;chunk-signature=cd\r\n world\r\n0;chunk-signature=ef\r\n\r\n";
        let decoded = decode(coded).expect("well formed");
        assert_eq!(decoded.body, b"hello world");
        assert!(decoded.trailers.is_empty());
    }

    #[test]
    fn unsigned_chunks_with_a_trailing_checksum() {
        let coded = b"3\r\na\r\n\r\n0\r\nx-amz-checksum-crc32:AAAAAA==\r\n\r\n";
        let decoded = decode(coded).expect("well formed");
        assert_eq!(decoded.body, b"a\r\n");
        assert_eq!(decoded.trailers["x-amz-checksum-crc32"], "AAAAAA==");
    }

    #[test]
    fn a_chunk_cut_short_is_refused() {
        assert_eq!(decode(b"5\r\nhel"), None);
        assert_eq!(decode(b"hello"), None);
    }
}
