//! HMAC-SHA256 (RFC 2104), a piece at a time and without a heap.

use sha2::{Digest, Sha256};

/// SHA-256 works on blocks of this many bytes.
const BLOCK: usize = 64;

/// A code over what it was fed. A clone of a fresh one saves setting up the key again.
#[derive(Clone)]
pub(super) struct Hmac {
    inner: Sha256,
    outer: Sha256,
}

impl Hmac {
    pub(super) fn new(key: &[u8]) -> Hmac {
        let mut block = [0; BLOCK];
        let digest = Sha256::digest(key);
        let key = if key.len() > BLOCK { digest.as_slice() } else { key };
        block.iter_mut().zip(key).for_each(|(to, from)| *to = *from);
        let padded = |pad: u8| Sha256::new_with_prefix(block.map(|byte| byte ^ pad));
        Hmac { inner: padded(0x36), outer: padded(0x5c) }
    }

    pub(super) fn update(&mut self, bytes: &[u8]) {
        self.inner.update(bytes);
    }

    pub(super) fn finish(mut self) -> [u8; 32] {
        self.outer.update(self.inner.finalize());
        self.outer.finalize().into()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hex(bytes: &[u8]) -> String {
        bytes.iter().map(|byte| format!("{byte:02x}")).collect()
    }

    #[test]
    fn the_codes_are_those_of_rfc_4231() {
        let counted: Vec<u8> = (1..=25).collect();
        let cases: [(&[u8], &[u8], &str); 6] = [
            (&[0x0b; 20], b"Hi There", "b0344c61d8db38535ca8afceaf0bf12b881dc200c9833da726e9376c2e32cff7"),
            (b"Jefe", b"what do ya want for nothing?", "5bdcc146bf60754e6a042426089575c75a003f089d2739839dec58b964ec3843"),
            (&[0xaa; 20], &[0xdd; 50], "773ea91e36800e46854db8ebd09181a72959098b3ef8c122d9635514ced565fe"),
            (&counted, &[0xcd; 50], "82558a389a443c0ea4cc819899f2083a85f0faa3e578f8077a2e3ff46729665b"),
            (
                &[0xaa; 131],
                b"Test Using Larger Than Block-Size Key - Hash Key First",
                "60e431591ee0b67f0d8a26aacbf5b77f8e0bc6213728c5140546040f0ee37f54",
            ),
            (
                &[0xaa; 131],
                b"This is a test using a larger than block-size key and a larger than block-size data. The key needs to be hashed before being used by the HMAC algorithm.",
                "9b09ffa71b942fcb27635fbcd5b0e944bfdc63644f0713938a7f51535c3a35e2",
            ),
        ];
        for (key, text, expected) in cases {
            let mut whole = Hmac::new(key);
            let mut pieces = whole.clone();
            whole.update(text);
            text.iter().for_each(|byte| pieces.update(&[*byte]));
            assert_eq!(hex(&whole.finish()), expected);
            assert_eq!(hex(&pieces.finish()), expected);
        }
    }
}
