//! Signatures that the TLS library does not check: ECDSA on the three NIST curves, RSA PKCS#1 v1.5 and PSS, each with any
//! hash of MD5, SHA-1 and the SHA-2 family. AWS IoT takes signing requests of all of these; ring knows fixed pairs of curve and hash
//! only, and no P-521.
//!
//! Only public values are worked on, so nothing here has to take the same time for all of them.

use md5::Md5;
use num_bigint::BigUint;
use ring::digest;
use sha2::{Digest as _, Sha224, Sha256, Sha384, Sha512, Sha512_224, Sha512_256};
use x509_parser::der_parser::der::parse_der;
use x509_parser::oid_registry::Oid;
use x509_parser::signature_algorithm::RsaSsaPssParams;
use x509_parser::x509::SubjectPublicKeyInfo;

/// Dots of an object identifier.
fn dotted(oid: &Oid<'_>) -> String {
    oid.to_id_string()
}

/// A hash function of signatures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Hash {
    Md5,
    Sha1,
    Sha224,
    Sha256,
    Sha384,
    Sha512,
    Sha512To224,
    Sha512To256,
}

impl Hash {
    /// The hash in a signature algorithm's identifier, and whether it is one of ECDSA; `None` for other algorithms.
    pub(crate) fn of_algorithm(oid: &Oid<'_>) -> Option<(Self, bool)> {
        Some(match dotted(oid).as_str() {
            "1.2.840.10045.4.1" => (Self::Sha1, true),
            "1.2.840.10045.4.3.1" => (Self::Sha224, true),
            "1.2.840.10045.4.3.2" => (Self::Sha256, true),
            "1.2.840.10045.4.3.3" => (Self::Sha384, true),
            "1.2.840.10045.4.3.4" => (Self::Sha512, true),
            "1.2.840.113549.1.1.4" => (Self::Md5, false),
            "1.2.840.113549.1.1.5" => (Self::Sha1, false),
            "1.2.840.113549.1.1.14" => (Self::Sha224, false),
            "1.2.840.113549.1.1.11" => (Self::Sha256, false),
            "1.2.840.113549.1.1.12" => (Self::Sha384, false),
            "1.2.840.113549.1.1.13" => (Self::Sha512, false),
            "1.2.840.113549.1.1.15" => (Self::Sha512To224, false),
            "1.2.840.113549.1.1.16" => (Self::Sha512To256, false),
            _ => return None,
        })
    }

    /// The hash of an identifier of its own, as the parameters of PSS have it.
    fn of_itself(oid: &Oid<'_>) -> Option<Self> {
        Some(match dotted(oid).as_str() {
            "1.2.840.113549.2.5" => Self::Md5,
            "1.3.14.3.2.26" => Self::Sha1,
            "2.16.840.1.101.3.4.2.1" => Self::Sha256,
            "2.16.840.1.101.3.4.2.2" => Self::Sha384,
            "2.16.840.1.101.3.4.2.3" => Self::Sha512,
            "2.16.840.1.101.3.4.2.4" => Self::Sha224,
            "2.16.840.1.101.3.4.2.5" => Self::Sha512To224,
            "2.16.840.1.101.3.4.2.6" => Self::Sha512To256,
            _ => return None,
        })
    }

    fn of(self, message: &[u8]) -> Vec<u8> {
        match self {
            Self::Md5 => Md5::digest(message).to_vec(),
            Self::Sha1 => digest::digest(&digest::SHA1_FOR_LEGACY_USE_ONLY, message).as_ref().to_vec(),
            Self::Sha224 => Sha224::digest(message).to_vec(),
            Self::Sha256 => Sha256::digest(message).to_vec(),
            Self::Sha384 => Sha384::digest(message).to_vec(),
            Self::Sha512 => Sha512::digest(message).to_vec(),
            Self::Sha512To224 => Sha512_224::digest(message).to_vec(),
            Self::Sha512To256 => Sha512_256::digest(message).to_vec(),
        }
    }

    /// What stands before the hash in a PKCS#1 v1.5 signature (RFC 8017 §9.2).
    fn prefix(self) -> &'static [u8] {
        match self {
            Self::Md5 => b"\x30\x20\x30\x0c\x06\x08\x2a\x86\x48\x86\xf7\x0d\x02\x05\x05\x00\x04\x10",
            Self::Sha1 => b"\x30\x21\x30\x09\x06\x05\x2b\x0e\x03\x02\x1a\x05\x00\x04\x14",
            Self::Sha224 => b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x04\x05\x00\x04\x1c",
            Self::Sha256 => b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x01\x05\x00\x04\x20",
            Self::Sha384 => b"\x30\x41\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x02\x05\x00\x04\x30",
            Self::Sha512 => b"\x30\x51\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x03\x05\x00\x04\x40",
            Self::Sha512To224 => {
                b"\x30\x2d\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x05\x05\x00\x04\x1c"
            }
            Self::Sha512To256 => {
                b"\x30\x31\x30\x0d\x06\x09\x60\x86\x48\x01\x65\x03\x04\x02\x06\x05\x00\x04\x20"
            }
        }
    }
}

/// A curve y² = x³ − 3x + b over a prime field.
struct Curve {
    p: BigUint,
    b: BigUint,
    /// The order of the base point.
    n: BigUint,
    base: (BigUint, BigUint),
    /// Bytes of a coordinate.
    width: usize,
}

/// A point (x/z², y/z³); `z` is zero at infinity.
type Point = (BigUint, BigUint, BigUint);

impl Curve {
    /// The curve of a key's parameters (FIPS 186-5, SP 800-186).
    fn of(oid: &Oid<'_>) -> Option<Self> {
        match dotted(oid).as_str() {
            "1.2.840.10045.3.1.7" => Self::new(
                32,
                "ffffffff00000001000000000000000000000000ffffffffffffffffffffffff",
                "5ac635d8aa3a93e7b3ebbd55769886bc651d06b0cc53b0f63bce3c3e27d2604b",
                "ffffffff00000000ffffffffffffffffbce6faada7179e84f3b9cac2fc632551",
                "6b17d1f2e12c4247f8bce6e563a440f277037d812deb33a0f4a13945d898c296",
                "4fe342e2fe1a7f9b8ee7eb4a7c0f9e162bce33576b315ececbb6406837bf51f5",
            ),
            "1.3.132.0.34" => Self::new(
                48,
                "fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffeffffffff0000000000000000ffffffff",
                "b3312fa7e23ee7e4988e056be3f82d19181d9c6efe8141120314088f5013875ac656398d8a2ed19d2a85c8edd3ec2aef",
                "ffffffffffffffffffffffffffffffffffffffffffffffffc7634d81f4372ddf581a0db248b0a77aecec196accc52973",
                "aa87ca22be8b05378eb1c71ef320ad746e1d3b628ba79b9859f741e082542a385502f25dbf55296c3a545e3872760ab7",
                "3617de4a96262c6f5d9e98bf9292dc29f8f41dbd289a147ce9da3113b5f0b8c00a60b1ce1d7e819d7a431d7c90ea0e5f",
            ),
            "1.3.132.0.35" => Self::new(
                66,
                &format!("01{}", "ff".repeat(65)),
                "0051953eb9618e1c9a1f929a21a0b68540eea2da725b99b315f3b8b489918ef109e156193951ec7e937b1652c0bd3bb1bf073573df883d2c34f1ef451fd46b503f00",
                "01fffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffffa51868783bf2f966b7fcc0148f709a5d03bb5c9b8899c47aebb6fb71e91386409",
                "00c6858e06b70404e9cd9e3ecb662395b4429c648139053fb521f828af606b4d3dbaa14b5e77efe75928fe1dc127a2ffa8de3348b3c1856a429bf97e7e31c2e5bd66",
                "011839296a789a3bc0045c8a5fb42c7d1bd998f54449579b446817afbd17273e662c97ee72995ef42640c550b9013fad0761353c7086a272c24088be94769fd16650",
            ),
            _ => None,
        }
    }

    fn new(width: usize, p: &str, b: &str, n: &str, x: &str, y: &str) -> Option<Self> {
        let read = |hex: &str| BigUint::parse_bytes(hex.as_bytes(), 16);
        Some(Self { p: read(p)?, b: read(b)?, n: read(n)?, base: (read(x)?, read(y)?), width })
    }

    fn minus(&self, a: &BigUint, b: &BigUint) -> BigUint {
        (a + &self.p - b % &self.p) % &self.p
    }

    fn is_on(&self, x: &BigUint, y: &BigUint) -> bool {
        let right = (x * x % &self.p * x + &self.b) % &self.p;
        x < &self.p && y < &self.p && y * y % &self.p == self.minus(&right, &(x * 3u32))
    }

    /// A point twice.
    fn double(&self, (x, y, z): &Point) -> Point {
        let p = &self.p;
        let (zz, yy) = (z * z % p, y * y % p);
        // a = −3: 3x² + a·z⁴ = 3(x − z²)(x + z²).
        let slope = self.minus(x, &zz) * (x + &zz) % p * 3u32 % p;
        let across = x * &yy % p * 4u32 % p;
        let x2 = self.minus(&(&slope * &slope % p), &(&across * 2u32));
        let y2 = self.minus(&(&slope * self.minus(&across, &x2) % p), &(&yy * &yy % p * 8u32));
        (x2, y2, y * z % p * 2u32 % p)
    }

    fn add(&self, a: &Point, b: &Point) -> Point {
        let (p, nothing) = (&self.p, BigUint::ZERO);
        if a.2 == nothing {
            return b.clone();
        }
        if b.2 == nothing {
            return a.clone();
        }
        let (az, bz) = (&a.2 * &a.2 % p, &b.2 * &b.2 % p);
        let (ax, bx) = (&a.0 * &bz % p, &b.0 * &az % p);
        let (ay, by) = (&a.1 * &bz % p * &b.2 % p, &b.1 * &az % p * &a.2 % p);
        let (h, r) = (self.minus(&bx, &ax), self.minus(&by, &ay));
        if h == nothing {
            return if r == nothing { self.double(a) } else { (nothing.clone(), nothing.clone(), nothing) };
        }
        let hh = &h * &h % p;
        let (hhh, v) = (&h * &hh % p, &ax * &hh % p);
        let x = self.minus(&(&r * &r % p), &(&hhh + &v * 2u32));
        let y = self.minus(&(&r * self.minus(&v, &x) % p), &(&ay * &hhh));
        (x, y, &a.2 * &b.2 % p * &h % p)
    }

    fn times(&self, factor: &BigUint, point: &(BigUint, BigUint)) -> Point {
        let point: Point = (point.0.clone(), point.1.clone(), BigUint::from(1u32));
        let mut sum: Point = (BigUint::ZERO, BigUint::from(1u32), BigUint::ZERO);
        for bit in (0..factor.bits()).rev() {
            sum = self.double(&sum);
            if factor.bit(bit) {
                sum = self.add(&sum, &point);
            }
        }
        sum
    }

    /// Is (r, s) the signature of `hashed` by the key at `point`?
    fn verifies(&self, point: &(BigUint, BigUint), hashed: &[u8], r: &BigUint, s: &BigUint) -> bool {
        let range = |n: &BigUint| *n != BigUint::ZERO && n < &self.n;
        if !range(r) || !range(s) || !self.is_on(&point.0, &point.1) {
            return false;
        }
        // The leftmost bits, as many as the order has.
        let excess = (hashed.len() as u64 * 8).saturating_sub(self.n.bits());
        let e = BigUint::from_bytes_be(hashed) >> excess;
        let Some(w) = s.modinv(&self.n) else { return false };
        let (u1, u2) = (e * &w % &self.n, r * &w % &self.n);
        let sum = self.add(&self.times(&u1, &self.base), &self.times(&u2, point));
        let Some(z) = sum.2.modinv(&self.p).filter(|_| sum.2 != BigUint::ZERO) else { return false };
        (sum.0 * (&z * &z % &self.p) % &self.p) % &self.n == *r
    }
}

/// Checks an ECDSA signature (DER) by a key on one of the three curves.
pub(crate) fn ecdsa(key: &SubjectPublicKeyInfo<'_>, hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let checked = || {
        let curve = Curve::of(&key.algorithm.parameters.as_ref()?.as_oid().ok()?)?;
        let (4, coordinates) = key.subject_public_key.data.split_first().map(|(f, rest)| (*f, rest))? else {
            return None;
        };
        if coordinates.len() != 2 * curve.width {
            return None;
        }
        let (x, y) = coordinates.split_at(curve.width);
        let point = (BigUint::from_bytes_be(x), BigUint::from_bytes_be(y));
        let (_, numbers) = parse_der(signature).ok()?;
        let [r, s] = numbers.as_sequence().ok()?.as_slice() else { return None };
        let number = |n: &x509_parser::der_parser::ber::BerObject<'_>| n.as_biguint().ok();
        Some(curve.verifies(&point, &hash.of(message), &number(r)?, &number(s)?))
    };
    checked().unwrap_or(false)
}

/// Checks an RSA PKCS#1 v1.5 signature.
pub(crate) fn rsa(modulus: &[u8], exponent: &[u8], hash: Hash, message: &[u8], signature: &[u8]) -> bool {
    let (n, e) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent));
    let length = n.bits().div_ceil(8) as usize;
    let signed = BigUint::from_bytes_be(signature);
    if signature.len() != length || signed >= n {
        return false;
    }
    let mut wanted = [hash.prefix(), &hash.of(message)].concat();
    let Some(filling) = length.checked_sub(wanted.len() + 3).filter(|filling| *filling >= 8) else {
        return false;
    };
    let mut padded = [vec![0, 1], vec![0xff; filling], vec![0]].concat();
    padded.append(&mut wanted);
    signed.modpow(&e, &n) == BigUint::from_bytes_be(&padded)
}

/// Checks an RSA PSS signature (RFC 8017 §9.1.2) with what its parameters say: hash, mask, length of the salt.
pub(crate) fn rsa_pss(
    modulus: &[u8],
    exponent: &[u8],
    parameters: &RsaSsaPssParams<'_>,
    message: &[u8],
    signature: &[u8],
) -> bool {
    let checked = || {
        let hash = Hash::of_itself(parameters.hash_algorithm_oid())?;
        let mask = parameters.mask_gen_algorithm().ok()?;
        let mask_hash =
            Hash::of_itself(&mask.hash).filter(|_| dotted(&mask.mgf) == "1.2.840.113549.1.1.8")?;
        let (n, e) = (BigUint::from_bytes_be(modulus), BigUint::from_bytes_be(exponent));
        let signed = BigUint::from_bytes_be(signature);
        if signature.len() as u64 != n.bits().div_ceil(8) || signed >= n || parameters.trailer_field() != 1 {
            return None;
        }
        let bits = n.bits().checked_sub(1)?;
        let length = usize::try_from(bits.div_ceil(8)).ok()?;
        let number = signed.modpow(&e, &n).to_bytes_be();
        let encoded = [vec![0; length.checked_sub(number.len())?], number].concat();
        let hashed = hash.of(message);
        let (&0xbc, encoded) = encoded.split_last()? else { return None };
        let (masked, proof) = encoded.split_at_checked(encoded.len().checked_sub(hashed.len())?)?;
        let free = u8::MAX >> (length as u64 * 8 - bits);
        if masked.first()? & !free != 0 {
            return None;
        }
        let mut block: Vec<u8> = (0u32..)
            .flat_map(|count| mask_hash.of(&[proof, &count.to_be_bytes()].concat()))
            .zip(masked)
            .map(|(mask, byte)| mask ^ byte)
            .collect();
        *block.first_mut()? &= free;
        let filling = block.len().checked_sub(parameters.salt_length() as usize)?;
        let (filling, salt) = block.split_at_checked(filling)?;
        let (&1, zeros) = filling.split_last()? else { return None };
        Some(zeros.iter().all(|byte| *byte == 0) && hash.of(&[&[0; 8], &hashed[..], salt].concat()) == proof)
    };
    checked().unwrap_or(false)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn curves() -> [Curve; 3] {
        [&[1, 2, 840, 10045, 3, 1, 7][..], &[1, 3, 132, 0, 34], &[1, 3, 132, 0, 35]]
            .map(|arcs| Curve::of(&Oid::from(arcs).unwrap()).unwrap())
    }

    #[test]
    fn the_base_point_is_on_its_curve_and_has_its_order() {
        for curve in curves() {
            assert!(curve.is_on(&curve.base.0, &curve.base.1));
            assert_eq!(curve.times(&curve.n, &curve.base).2, BigUint::ZERO);
            let thrice = curve.times(&BigUint::from(3u32), &curve.base);
            let base: Point = (curve.base.0.clone(), curve.base.1.clone(), BigUint::from(1u32));
            let sum = curve.add(&curve.double(&base), &base);
            // The same point in two writings: x₁z₂² = x₂z₁².
            assert_eq!(&thrice.0 * &sum.2 * &sum.2 % &curve.p, &sum.0 * &thrice.2 * &thrice.2 % &curve.p);
        }
    }

    #[test]
    fn a_signature_is_good_for_its_message_and_key_only() {
        for curve in curves() {
            // Signed here with the private key 7 and the nonce 11.
            let (key, nonce) = (BigUint::from(7u32), BigUint::from(11u32));
            let affine = |(x, y, z): Point| {
                let z = z.modinv(&curve.p).unwrap();
                (x * &z * &z % &curve.p, y * &z * &z * &z % &curve.p)
            };
            let public = affine(curve.times(&key, &curve.base));
            let hashed = Hash::Sha512.of(b"message");
            let excess = (hashed.len() as u64 * 8).saturating_sub(curve.n.bits());
            let e = BigUint::from_bytes_be(&hashed) >> excess;
            let r = affine(curve.times(&nonce, &curve.base)).0 % &curve.n;
            let s = nonce.modinv(&curve.n).unwrap() * (e + &r * key) % &curve.n;
            assert!(curve.verifies(&public, &hashed, &r, &s));
            assert!(!curve.verifies(&public, &Hash::Sha512.of(b"massage"), &r, &s));
            assert!(!curve.verifies(&curve.base, &hashed, &r, &s));
            assert!(!curve.verifies(&public, &hashed, &r, &BigUint::ZERO));
            assert!(!curve.verifies(&public, &hashed, &(&r + &curve.n), &s));
            assert!(!curve.verifies(&(BigUint::from(1u32), BigUint::from(1u32)), &hashed, &r, &s));
        }
    }
}
