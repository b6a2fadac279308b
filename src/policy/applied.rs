//! The applied policy: one file, read by offset, so that neither start-up nor a decision depends on the number of rules.
//!
//! ```text
//! preamble   MAGIC, lengths, digest, check of the preamble and the header       fixed length
//! header     settings and scopes                                                JSON
//! index      one entry a bucket: offset, length, check                          fixed length each
//! names      every command word                                                 JSON
//! sections   one a bucket that is not empty: its commands and their rules       JSON
//! ```
//!
//! A command's bucket follows from its SHA-256. Every byte is covered by a check (SHA-256) that is verified when the byte is used; each
//! check takes in the digest and the place of what it covers, so that parts of two policies can never be mixed. All numbers are
//! little-endian. The file guards against accidents; against malice stands that root owns it.

use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::fs::File;
use std::io;
use std::os::unix::fs::FileExt;
use std::rc::Rc;

use serde::{Deserialize, Serialize};
use sha2::{Digest, Sha256};

use super::compile::{self, Compiled, Source};
use super::rule::{CommandRules, Scope};
use super::settings::Settings;
use crate::words::Diagnostic;

/// Names the format and its version.
const MAGIC: &[u8; 16] = b"postern-applied6";
/// Bytes of a digest and of a check.
const HASH: usize = 32;
/// Bytes of the preamble: the magic, four numbers, the digest, the check of the names, the check of preamble and header.
const PREAMBLE: usize = MAGIC.len() + 4 * 8 + 3 * HASH;
/// Bytes of an entry of the index: offset, length, check.
const ENTRY: usize = 8 + 8 + HASH;

type Hash = [u8; HASH];

/// Bytes that are read by offset: a file, or memory.
pub trait ReadAt {
    /// Exactly `length` bytes from `offset`.
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>>;
    /// The length of the whole.
    fn length(&self) -> io::Result<u64>;
}

impl ReadAt for File {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let mut bytes = vec![0; length];
        self.read_exact_at(&mut bytes, offset)?;
        Ok(bytes)
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.metadata()?.len())
    }
}

impl ReadAt for Vec<u8> {
    fn read_at(&self, offset: u64, length: usize) -> io::Result<Vec<u8>> {
        let start = usize::try_from(offset).ok();
        let range = start.and_then(|start| Some(start..start.checked_add(length)?));
        let bytes = range.and_then(|range| self.get(range)).map(<[u8]>::to_vec);
        bytes.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn length(&self) -> io::Result<u64> {
        Ok(self.len() as u64)
    }
}

/// The file is not what `postern apply` wrote.
#[derive(Debug, thiserror::Error)]
#[error("the applied policy is damaged: {0}")]
pub struct Damaged(pub String);

impl From<io::Error> for Damaged {
    fn from(error: io::Error) -> Damaged {
        Damaged(format!("it cannot be read: {error}"))
    }
}

/// The JSON of the header.
#[derive(Serialize, Deserialize)]
struct Header {
    settings: Settings,
    scopes: Vec<Scope>,
}

/// The rules of the commands that share a bucket.
type Section = HashMap<String, Rc<CommandRules>>;

/// A policy in force.
pub struct Applied {
    source: Box<dyn ReadAt>,
    preamble: Preamble,
    digest: String,
    header: Header,
    /// Sections read so far, by bucket.
    sections: RefCell<HashMap<u64, Rc<Section>>>,
}

impl Applied {
    /// Opens an applied policy: reads and verifies its header only.
    pub fn open(source: Box<dyn ReadAt>) -> Result<Applied, Damaged> {
        let length = source.length()?;
        if length < PREAMBLE as u64 {
            return Err(Damaged("it is too short".to_owned()));
        }
        let preamble = Preamble::decode(&source.read_at(0, PREAMBLE)?)?;
        if preamble.length != length || preamble.sections_start().is_none_or(|start| start > length) {
            return Err(Damaged("it has not the length that it had when it was written".to_owned()));
        }
        let header = source.read_at(PREAMBLE as u64, to_usize(preamble.header)?)?;
        if preamble.check != preamble.own_check(&header) {
            return Err(Damaged("its header does not match its checksum".to_owned()));
        }
        let header: Header = decode(&header)?;
        let digest = hexadecimal(&preamble.digest);
        Ok(Applied { source, preamble, digest, header, sections: RefCell::default() })
    }

    /// Compiles sources and encodes them in memory, to be read as an applied file is. Returns the warnings too; on failure, all findings.
    pub fn from_sources(sources: &[Source]) -> Result<(Applied, Vec<Diagnostic>), Vec<Diagnostic>> {
        let mut compiled = compile::compile(sources)?;
        let warnings = std::mem::take(&mut compiled.warnings);
        let failed = |reason: String| vec![Diagnostic::error("policy", None, reason)];
        let bytes = encode(&compiled).map_err(|error| failed(error.to_string()))?;
        let applied = Applied::open(Box::new(bytes)).map_err(|error| failed(error.to_string()))?;
        Ok((applied, warnings))
    }

    /// Names exactly what is in force: the SHA-256 of settings, scopes and rules, in hexadecimal.
    pub fn digest(&self) -> &str {
        &self.digest
    }

    pub fn settings(&self) -> &Settings {
        &self.header.settings
    }

    pub fn scopes(&self) -> &[Scope] {
        &self.header.scopes
    }

    /// The rules for one command word, verified against their checksum; cached.
    pub fn rules(&self, command: &str) -> Result<Option<Rc<CommandRules>>, Damaged> {
        let bucket = bucket(command, self.preamble.buckets);
        if let Some(section) = self.sections.borrow().get(&bucket) {
            return Ok(section.get(command).cloned());
        }
        let rules: HashMap<String, CommandRules> = match self.section(bucket)? {
            bytes if bytes.is_empty() => HashMap::new(),
            bytes => decode(&bytes)?,
        };
        let section: Section = rules.into_iter().map(|(command, rules)| (command, Rc::new(rules))).collect();
        let found = section.get(command).cloned();
        self.sections.borrow_mut().insert(bucket, Rc::new(section));
        Ok(found)
    }

    /// Every command word that has rules, sorted.
    pub fn commands(&self) -> Result<Vec<String>, Damaged> {
        let preamble = &self.preamble;
        let start = preamble.names_start().ok_or_else(misplaced)?;
        let names = self.source.read_at(start, to_usize(preamble.names)?)?;
        if preamble.names_check != check(&preamble.digest, u64::MAX, start, &names) {
            return Err(Damaged("its list of commands does not match its checksum".to_owned()));
        }
        decode(&names)
    }

    /// Verifies all of it, the digest included. The cost grows with the policy.
    pub fn verify(&self) -> Result<(), Damaged> {
        let mut digest = content_digest(&self.header).map_err(|error| Damaged(error.to_string()))?;
        for bucket in 0..self.preamble.buckets {
            add(&mut digest, &self.section(bucket)?);
        }
        if <Hash>::from(digest.finalize()) != self.preamble.digest {
            return Err(Damaged("its content does not match its digest".to_owned()));
        }
        self.commands().map(drop)
    }

    /// The verified bytes of a bucket's section; empty when no command is in it.
    fn section(&self, bucket: u64) -> Result<Vec<u8>, Damaged> {
        let preamble = &self.preamble;
        let entry = bucket.checked_mul(ENTRY as u64).and_then(|at| at.checked_add(preamble.index_start()?)).ok_or_else(misplaced)?;
        let entry = self.source.read_at(entry, ENTRY)?;
        let mut fields = Fields(&entry);
        let (offset, length, expected) = (fields.number()?, fields.number()?, fields.hash()?);
        if offset.checked_add(length).is_none_or(|end| end > preamble.length) {
            return Err(misplaced());
        }
        let bytes = self.source.read_at(offset, to_usize(length)?)?;
        if expected != check(&preamble.digest, bucket, offset, &bytes) {
            return Err(Damaged("rules do not match their checksum".to_owned()));
        }
        Ok(bytes)
    }
}

/// The bytes of an applied policy. The same policy gives the same bytes.
pub fn encode(compiled: &Compiled) -> serde_json::Result<Vec<u8>> {
    let buckets = (compiled.rules.len().max(1) as u64).next_power_of_two();
    let mut grouped: BTreeMap<u64, BTreeMap<&str, &CommandRules>> = BTreeMap::new();
    for (command, rules) in &compiled.rules {
        grouped.entry(bucket(command, buckets)).or_default().insert(command, rules);
    }
    let section = |bucket: u64| grouped.get(&bucket).map_or_else(|| Ok(Vec::new()), serde_json::to_vec);
    let sections = (0..buckets).map(section).collect::<Result<Vec<Vec<u8>>, _>>()?;
    let content = Header { settings: compiled.settings.clone(), scopes: compiled.scopes.clone() };
    let mut digest = content_digest(&content)?;
    sections.iter().for_each(|section| add(&mut digest, section));
    let (header, names) = (serde_json::to_vec(&content)?, serde_json::to_vec(&compiled.rules.keys().collect::<Vec<_>>())?);

    let digest: Hash = digest.finalize().into();
    let index_start = (PREAMBLE + header.len()) as u64;
    let names_start = index_start + buckets * ENTRY as u64;
    let mut offset = names_start + names.len() as u64;
    let mut index = Vec::new();
    for (bucket, section) in (0..).zip(&sections) {
        index.extend(offset.to_le_bytes());
        index.extend((section.len() as u64).to_le_bytes());
        index.extend(check(&digest, bucket, offset, section));
        offset += section.len() as u64;
    }
    let names_check = check(&digest, u64::MAX, names_start, &names);
    let mut preamble =
        Preamble { length: offset, header: header.len() as u64, buckets, names: names.len() as u64, digest, names_check, check: [0; HASH] };
    preamble.check = preamble.own_check(&header);
    let mut bytes = preamble.encode();
    bytes.extend([header, index, names].concat());
    bytes.extend(sections.concat());
    Ok(bytes)
}

/// The fixed-length start of the file.
struct Preamble {
    /// Bytes of the file.
    length: u64,
    /// Bytes of the header.
    header: u64,
    buckets: u64,
    /// Bytes of the names.
    names: u64,
    digest: Hash,
    names_check: Hash,
    /// Covers the preamble before it, and the header.
    check: Hash,
}

impl Preamble {
    fn encode(&self) -> Vec<u8> {
        [self.before_check(), self.check.to_vec()].concat()
    }

    fn before_check(&self) -> Vec<u8> {
        let mut bytes = MAGIC.to_vec();
        for number in [self.length, self.header, self.buckets, self.names] {
            bytes.extend(number.to_le_bytes());
        }
        [bytes, self.digest.to_vec(), self.names_check.to_vec()].concat()
    }

    fn own_check(&self, header: &[u8]) -> Hash {
        Sha256::new().chain_update(self.before_check()).chain_update(header).finalize().into()
    }

    fn decode(bytes: &[u8]) -> Result<Preamble, Damaged> {
        let rest = bytes.strip_prefix(MAGIC).ok_or_else(|| {
            let other = bytes.starts_with(b"postern-applied");
            Damaged(if other { "another version of postern wrote it; run `postern apply`" } else { "it is something else" }.to_owned())
        })?;
        let mut fields = Fields(rest);
        let preamble = Preamble {
            length: fields.number()?,
            header: fields.number()?,
            buckets: fields.number()?,
            names: fields.number()?,
            digest: fields.hash()?,
            names_check: fields.hash()?,
            check: fields.hash()?,
        };
        Ok(preamble)
    }

    fn index_start(&self) -> Option<u64> {
        self.header.checked_add(PREAMBLE as u64)
    }

    fn names_start(&self) -> Option<u64> {
        self.buckets.checked_mul(ENTRY as u64)?.checked_add(self.index_start()?)
    }

    fn sections_start(&self) -> Option<u64> {
        self.names_start()?.checked_add(self.names)
    }
}

/// Reads numbers and hashes off the front of bytes.
struct Fields<'a>(&'a [u8]);

impl Fields<'_> {
    fn take<const N: usize>(&mut self) -> Result<[u8; N], Damaged> {
        let (field, rest) = self.0.split_first_chunk().ok_or_else(misplaced)?;
        self.0 = rest;
        Ok(*field)
    }

    fn number(&mut self) -> Result<u64, Damaged> {
        self.take().map(u64::from_le_bytes)
    }

    fn hash(&mut self) -> Result<Hash, Damaged> {
        self.take()
    }
}

/// The bucket of a command. SHA-256 rather than a keyed hash: it must be the same in every process.
fn bucket(command: &str, buckets: u64) -> u64 {
    let hash: Hash = Sha256::digest(command).into();
    let number = Fields(&hash).number().unwrap_or(0);
    number % buckets.max(1)
}

/// Binds bytes to their policy and to where they are in it.
fn check(digest: &Hash, bucket: u64, offset: u64, bytes: &[u8]) -> Hash {
    let place = [bucket.to_le_bytes(), offset.to_le_bytes(), (bytes.len() as u64).to_le_bytes()].concat();
    Sha256::new().chain_update(digest).chain_update(place).chain_update(bytes).finalize().into()
}

/// The digest of what is in force, as far as the header goes.
fn content_digest(header: &Header) -> serde_json::Result<Sha256> {
    let mut digest = Sha256::new_with_prefix(MAGIC);
    add(&mut digest, &serde_json::to_vec(header)?);
    Ok(digest)
}

fn add(digest: &mut Sha256, bytes: &[u8]) {
    digest.update((bytes.len() as u64).to_le_bytes());
    digest.update(bytes);
}

fn decode<T: for<'a> Deserialize<'a>>(bytes: &[u8]) -> Result<T, Damaged> {
    serde_json::from_slice(bytes).map_err(|error| Damaged(format!("another version of postern wrote it, run `postern apply`: {error}")))
}

fn hexadecimal(hash: &Hash) -> String {
    hash.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn to_usize(length: u64) -> Result<usize, Damaged> {
    usize::try_from(length).map_err(|_| misplaced())
}

fn misplaced() -> Damaged {
    Damaged("a part of it is not where it should be".to_owned())
}
