//! Is a certificate's public key one that attackers can guess?
//!
//! AWS tests RSA keys for CVE-2017-15361 (ROCA: primes made by a faulty library) and CVE-2008-0166 (keys of one Debian
//! release, told by a list of all of them). The first is computed here; the list is not carried along.

use x509_parser::public_key::PublicKey;

/// The primes ROCA's fingerprint is read from.
const PRIMES: [u32; 39] = [
    2, 3, 5, 7, 11, 13, 17, 19, 23, 29, 31, 37, 41, 43, 47, 53, 59, 61, 67, 71, 73, 79, 83, 89, 97, 101, 103,
    107, 109, 113, 127, 131, 137, 139, 149, 151, 157, 163, 167,
];

/// AWS's reason code and a sentence when the key of this certificate (PEM) is weak.
pub(super) fn weakness(pem: &str) -> Option<(&'static str, String)> {
    let (_, pem) = x509_parser::pem::parse_x509_pem(pem.as_bytes()).ok()?;
    let (_, certificate) = x509_parser::parse_x509_certificate(&pem.contents).ok()?;
    let PublicKey::RSA(key) = certificate.public_key().parsed().ok()? else { return None };
    has_roca_fingerprint(key.modulus).then(|| {
        (
            "CERTIFICATE_KEY_VULNERABILITY_CVE-2017-15361",
            "The RSA key was made by a library whose keys can be factored (CVE-2017-15361).".to_owned(),
        )
    })
}

/// A modulus of two ROCA primes is, modulo every small prime, a power of 65537.
fn has_roca_fingerprint(modulus: &[u8]) -> bool {
    !modulus.is_empty()
        && PRIMES.iter().all(|&p| {
            let rest = modulus.iter().fold(0u32, |rest, byte| (rest * 256 + u32::from(*byte)) % p);
            let mut power = 1 % p;
            for _ in 0..p {
                if power == rest {
                    return true;
                }
                power = power * (65537 % p) % p;
            }
            false
        })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn powers_of_65537_have_the_fingerprint_and_ordinary_numbers_do_not() {
        // 65537, and 65537² = 4295098369.
        assert!(has_roca_fingerprint(&65537u32.to_be_bytes()));
        assert!(has_roca_fingerprint(&4_295_098_369u64.to_be_bytes()));
        assert!(!has_roca_fingerprint(&65539u32.to_be_bytes()));
        assert!(!has_roca_fingerprint(&[]));
        let ordinary: Vec<u8> = (1..=255).collect();
        assert!(!has_roca_fingerprint(&ordinary));
    }
}
