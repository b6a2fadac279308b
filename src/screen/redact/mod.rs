use super::Progress;
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Key([u8; 32]);
impl Key {
    pub fn from_bytes(b: [u8; 32]) -> Key {
        Key(b)
    }
    pub fn bytes(&self) -> &[u8; 32] {
        &self.0
    }
}
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Found([u32; 20]);
impl Found {
    pub const COUNT: usize = 20;
    pub fn from_counts(counts: [u32; 20]) -> Found {
        Found(counts)
    }
    pub fn counts(&self) -> &[u32; 20] {
        &self.0
    }
    pub fn add(&mut self, _: &Found) {}
    pub fn iter(&self) -> impl Iterator<Item = (&'static str, u32)> {
        std::iter::empty()
    }
}
pub struct Redactor;
impl Redactor {
    pub fn new(_: &Key) -> Redactor {
        Redactor
    }
    pub fn pass(&mut self, input: &[u8], out: &mut [u8]) -> Progress {
        let n = input.len().min(out.len());
        out[..n].copy_from_slice(&input[..n]);
        Progress { taken: n, written: n }
    }
    pub fn flush(&mut self, _: &mut [u8]) -> usize {
        0
    }
    pub fn is_holding(&self) -> bool {
        false
    }
    pub fn take_found(&mut self) -> Found {
        Found::default()
    }
}

pub fn redact(_: &Key, text: &[u8]) -> (Vec<u8>, Found) {
    (text.to_vec(), Found::default())
}
impl Key {
    pub fn random() -> Key {
        Key([1; 32])
    }
}
