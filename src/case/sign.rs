//! Signatures as minisign makes and checks them (<https://jedisct1.github.io/minisign/>): Ed25519 over the file itself (`Ed`,
//! the form without BLAKE2b), and over the signature with its trusted comment.

use std::io::{self, Write as _};
use std::os::unix::fs::{MetadataExt as _, OpenOptionsExt as _};
use std::path::{Path, PathBuf};

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use ring::rand::{SecureRandom as _, SystemRandom};
use ring::signature::{ED25519, Ed25519KeyPair, KeyPair as _, UnparsedPublicKey};

/// The algorithm: Ed25519 of the message itself.
const ALGORITHM: &[u8] = b"Ed";
/// What the first line of our signatures says.
const COMMENT: &str = "untrusted comment: signature of a quell case, check it with minisign -V";
const TRUSTED: &str = "trusted comment: ";

/// A key that signs. It never leaves its file but for this.
pub struct Key {
    id: [u8; 8],
    seed: [u8; 32],
    pair: Ed25519KeyPair,
}

impl std::fmt::Debug for Key {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Key({})", self.public().id())
    }
}

impl Key {
    /// A new key.
    ///
    /// # Errors
    /// The system gives no random numbers.
    pub fn generate() -> io::Result<Self> {
        let (mut id, mut seed) = ([0; 8], [0; 32]);
        let random = SystemRandom::new();
        random
            .fill(&mut id)
            .and_then(|()| random.fill(&mut seed))
            .map_err(|_| io::Error::other("the system gives no random numbers"))?;
        Self::of(id, seed)
    }

    fn of(id: [u8; 8], seed: [u8; 32]) -> io::Result<Self> {
        let pair = Ed25519KeyPair::from_seed_unchecked(&seed)
            .map_err(|_| io::Error::new(io::ErrorKind::InvalidData, "not an Ed25519 key"))?;
        Ok(Self { id, seed, pair })
    }

    /// Writes it to a new file that only its owner can read, and the public key beside it, under the same name with `.pub`.
    /// Says where the public key is.
    ///
    /// # Errors
    /// One of the files is there already, or cannot be written.
    pub fn save(&self, path: &Path) -> io::Result<PathBuf> {
        let public = beside(path);
        let write = |path: &Path, mode: u32, text: &str| {
            let mut file = std::fs::OpenOptions::new().write(true).create_new(true).mode(mode).open(path)?;
            file.write_all(text.as_bytes())?;
            file.sync_all()
        };
        if let Some(folder) = path.parent().filter(|folder| !folder.as_os_str().is_empty()) {
            use std::os::unix::fs::DirBuilderExt as _;
            std::fs::DirBuilder::new().recursive(true).mode(0o700).create(folder)?;
        }
        write(&public, 0o644, &self.public().text())?;
        let secret = STANDARD.encode([&self.id[..], &self.seed].concat());
        let text = format!("untrusted comment: quell case secret key {}\n{secret}\n", self.public().id());
        write(path, 0o600, &text).inspect_err(|_| drop(std::fs::remove_file(&public)))?;
        Ok(public)
    }

    /// Reads it.
    ///
    /// # Errors
    /// It cannot be read, is none, or others may read it.
    pub fn load(path: &Path) -> io::Result<Self> {
        let held = std::fs::metadata(path)?;
        let bad = |why: &str| io::Error::new(io::ErrorKind::InvalidData, why.to_owned());
        if held.mode() & 0o077 != 0 {
            return Err(bad("others may read this key: chmod 600 it, or make another with `quell case key`"));
        }
        if held.len() > 4096 {
            return Err(bad("not a key of `quell case key`"));
        }
        let text = std::fs::read_to_string(path)?;
        let bytes = text.lines().nth(1).and_then(|line| STANDARD.decode(line).ok());
        let bytes = bytes.ok_or_else(|| bad("not a key of `quell case key`"))?;
        let parts = bytes.split_first_chunk::<8>().and_then(|(id, seed)| Some((*id, seed.try_into().ok()?)));
        let (id, seed) = parts.ok_or_else(|| bad("not a key of `quell case key`"))?;
        Self::of(id, seed)
    }

    /// Its public half.
    pub fn public(&self) -> PublicKey {
        let mut key = [0; 32];
        for (byte, held) in key.iter_mut().zip(self.pair.public_key().as_ref()) {
            *byte = *held;
        }
        PublicKey { id: self.id, key }
    }

    /// Signs `message`, with a comment that is signed too: one line.
    pub fn sign(&self, message: &[u8], trusted: &str) -> Signature {
        let mut signature = [0; 64];
        let copy =
            |to: &mut [u8; 64], from: &[u8]| to.iter_mut().zip(from).for_each(|(to, from)| *to = *from);
        copy(&mut signature, self.pair.sign(message).as_ref());
        let trusted: String = trusted.chars().filter(|c| !c.is_control()).collect();
        let mut global = [0; 64];
        copy(&mut global, self.pair.sign(&[&signature[..], trusted.as_bytes()].concat()).as_ref());
        Signature { id: self.id, signature, trusted, global }
    }
}

/// Where the public half of the key at `path` is written.
pub fn beside(path: &Path) -> PathBuf {
    let mut name = path.as_os_str().to_owned();
    name.push(".pub");
    name.into()
}

/// A key that checks.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct PublicKey {
    id: [u8; 8],
    key: [u8; 32],
}

impl PublicKey {
    /// From its line of base64, or from the text of minisign's file with it.
    ///
    /// # Errors
    /// It is neither.
    pub fn parse(text: &str) -> Result<Self, String> {
        let line =
            text.lines().map(str::trim).find(|l| !l.is_empty() && !l.starts_with("untrusted comment:"));
        let bytes = line.and_then(|line| STANDARD.decode(line).ok()).filter(|bytes| bytes.len() == 42);
        let bytes = bytes
            .ok_or("not a public key of minisign: 56 characters of base64, or the file that holds them")?;
        let rest = bytes.strip_prefix(ALGORITHM).ok_or("a public key of another algorithm than Ed25519")?;
        let parts = rest.split_first_chunk::<8>().and_then(|(id, key)| Some((*id, key.try_into().ok()?)));
        let (id, key) = parts.ok_or("not a public key of minisign")?;
        Ok(Self { id, key })
    }

    /// Its line of base64.
    pub fn line(&self) -> String {
        STANDARD.encode([ALGORITHM, &self.id, &self.key].concat())
    }

    /// Its id, as minisign shows it.
    pub fn id(&self) -> String {
        self.id.iter().rev().map(|byte| format!("{byte:02X}")).collect()
    }

    /// The text of minisign's file with it.
    pub fn text(&self) -> String {
        format!("untrusted comment: minisign public key {}\n{}\n", self.id(), self.line())
    }

    /// Checks that `signature` is this key's of `message`, its trusted comment included.
    ///
    /// # Errors
    /// Why not.
    pub fn verify(&self, message: &[u8], signature: &Signature) -> Result<(), String> {
        if signature.id != self.id {
            let theirs = Self { id: signature.id, key: self.key }.id();
            return Err(format!("signed with the key {theirs}, not with {}", self.id()));
        }
        let key = UnparsedPublicKey::new(&ED25519, &self.key);
        key.verify(message, &signature.signature).map_err(|_| "the signature is not of this".to_owned())?;
        let global = [&signature.signature[..], signature.trusted.as_bytes()].concat();
        key.verify(&global, &signature.global).map_err(|_| "the trusted comment was changed".to_owned())
    }
}

/// A signature and its trusted comment.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Signature {
    id: [u8; 8],
    signature: [u8; 64],
    trusted: String,
    global: [u8; 64],
}

impl Signature {
    /// From the text of minisign's file.
    ///
    /// # Errors
    /// It is none, or of the form that hashes first, which quell does not write.
    pub fn parse(text: &str) -> Result<Self, String> {
        let none = || "not a signature of minisign".to_owned();
        let lines: Vec<&str> = text.lines().collect();
        let [_, signed, trusted, global] = lines[..] else { return Err(none()) };
        let bytes = STANDARD.decode(signed).map_err(|_| none())?;
        let rest = bytes.strip_prefix(ALGORITHM).ok_or("a signature of another form than `Ed`")?;
        let (id, signature) = rest.split_first_chunk::<8>().ok_or_else(none)?;
        Ok(Self {
            id: *id,
            signature: signature.try_into().map_err(|_| none())?,
            trusted: trusted.strip_prefix(TRUSTED).ok_or_else(none)?.to_owned(),
            global: STANDARD.decode(global).ok().and_then(|b| b.try_into().ok()).ok_or_else(none)?,
        })
    }

    /// The text of a file that minisign checks. There is one for each signature.
    pub fn text(&self) -> String {
        let signed = STANDARD.encode([ALGORITHM, &self.id, &self.signature].concat());
        format!("{COMMENT}\n{signed}\n{TRUSTED}{}\n{}\n", self.trusted, STANDARD.encode(self.global))
    }

    /// The comment that is signed too.
    pub fn trusted(&self) -> &str {
        &self.trusted
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The public key and the signature of `test` in the documentation of minisign's Rust verifier.
    #[test]
    fn a_signature_of_minisign_is_checked() {
        let key = PublicKey::parse("RWQf6LRCGA9i53mlYecO4IzT51TGPpvWucNSCh1CBM0QTaLn73Y7GFO3").unwrap();
        let text = "untrusted comment: signature from minisign secret key\n\
            RWQf6LRCGA9i59SLOFxz6NxvASXDJeRtuZykwQepbDEGt87ig1BNpWaVWuNrm73YiIiJbq71Wi+dP9eKL8OC351vwIasSSbXxwA=\n\
            trusted comment: timestamp:1555779966\tfile:test\n\
            QtKMXWyYcwdpZAlPF7tE2ENJkRd1ujvKjlj1m9RtHTBnZPa5WKU5uWRs5GoP5M/VqE81QFuMKI5k/SfNQUaOAA==\n";
        let signature = Signature::parse(text).unwrap();
        assert_eq!(key.verify(b"test", &signature), Ok(()));
        assert!(key.verify(b"Test", &signature).is_err());
        assert_eq!(key.id(), "E7620F1842B4E81F");
    }

    #[test]
    fn what_is_signed_is_checked_and_keys_are_for_their_owner() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("sub/case.key");
        let key = Key::generate().unwrap();
        let public = key.save(&path).unwrap();
        assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, 0o600);
        assert_eq!(key.save(&path).unwrap_err().kind(), io::ErrorKind::AlreadyExists, "never overwritten");
        let checks = PublicKey::parse(&std::fs::read_to_string(public).unwrap()).unwrap();
        let loaded = Key::load(&path).unwrap();
        let signature = Signature::parse(&loaded.sign(b"sums", "case:1\nx").text()).unwrap();
        assert_eq!(signature.trusted(), "case:1x");
        assert_eq!(checks.verify(b"sums", &signature), Ok(()));
        assert!(checks.verify(b"sum", &signature).is_err());
        let other = Key::generate().unwrap().public();
        assert!(other.verify(b"sums", &signature).unwrap_err().contains(&checks.id()));
        std::fs::set_permissions(&path, std::os::unix::fs::PermissionsExt::from_mode(0o644)).unwrap();
        assert!(Key::load(&path).unwrap_err().to_string().contains("chmod 600"));
    }
}
