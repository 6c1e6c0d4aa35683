//! Keys, the two Noise handshakes, and the seal that they end in. This is the only file that names snow. It
//! never blocks.
//!
//! A [`Seal`] is shared by the one thread that reads a stream and all that write to it. Its lock for writers
//! is held while bytes are sealed, some microseconds, and never during I/O.

use crate::{
    text::hex::{from_hex, hex},
    wire::token::Token,
};
use snow::{
    params::{DHChoice, NoiseParams},
    resolvers::{CryptoResolver, DefaultResolver},
    Builder, HandshakeState, StatelessTransportState,
};
use std::{
    fmt,
    io::{self, ErrorKind},
    sync::{Mutex, PoisonError, RwLock},
};

/// A pattern of Noise: its name, and where the pre-shared key is mixed in.
type Pattern = (&'static str, u8);

/// The handshake of a call connection. It shows each side the other's static key, and only a side with
/// the pre-shared key can finish it. With `psk3` the dialling side sees the other's key before it sends
/// anything that depends on the pre-shared key.
pub(crate) const CALL: Pattern = ("Noise_XXpsk3_25519_AESGCM_SHA256", 3);
/// The handshake of a callback connection. Only a side with the session's token can finish it.
pub(crate) const CALLBACK: Pattern = ("Noise_NNpsk0_25519_AESGCM_SHA256", 0);
/// The bug "the first message depends on the pre-shared key", which a listener can search for.
#[cfg(feature = "seeded-bugs")]
pub(crate) const EARLY_CALL: Pattern = ("Noise_XXpsk0_25519_AESGCM_SHA256", 0);

/// The length of a key in bytes, of a pre-shared key as well.
pub(crate) const KEY_BYTES: usize = 32;
/// The length of the tag of a sealed record in bytes.
pub(crate) const TAG_BYTES: usize = 16;
/// The length of the longest record in bytes, without its length.
pub(crate) const RECORD_BYTES: usize = 16 * 1024;
/// The length of the length of a record in bytes.
pub(crate) const LENGTH_BYTES: usize = 2;
/// After this many records a direction gets a new key. It keeps the chance of a forgery with AES-GCM below
/// 2^-57 (section 5.5 of RFC 8446 has the rule).
const REKEY_AFTER: u64 = 1 << 24;

/// A public key: the identity of a room, or of a client.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct PublicKey([u8; KEY_BYTES]);

impl PublicKey {
    /// Returns the key with these bytes, or `None` if their number is wrong.
    pub(crate) fn from_slice(bytes: &[u8]) -> Option<PublicKey> {
        Some(PublicKey(bytes.try_into().ok()?))
    }

    /// Reads a key as [`PublicKey::to_hex`] writes it.
    pub fn from_hex(text: &str) -> Option<PublicKey> {
        from_hex(text).map(PublicKey)
    }

    /// Returns all of the key, in 64 hexadecimal digits.
    pub fn to_hex(self) -> String {
        hex(&self.0)
    }

    /// Returns what people compare: the first 16 bytes of the key, as `4F2A-...`. A key with the same
    /// fingerprint takes 2^128 attempts.
    pub fn fingerprint(&self) -> String {
        let groups: Vec<String> = self.0[..16].chunks(2).map(|pair| hex(pair).to_uppercase()).collect();
        groups.join("-")
    }
}

/// A private key and its public key. `Debug` hides the private one.
#[derive(Clone)]
pub struct KeyPair {
    private: [u8; KEY_BYTES],
    /// The identity that the other side sees.
    pub public: PublicKey,
}

impl KeyPair {
    /// Returns a new pair of keys, from the operating system's random bytes.
    ///
    /// # Errors
    /// When the system has no random bytes.
    pub fn generate() -> io::Result<KeyPair> {
        let pair = Builder::new(params(CALL.0)).generate_keypair().map_err(io::Error::other)?;
        let private = pair.private.try_into().expect("a key of this kind has 32 bytes");
        Ok(KeyPair::from_private(private))
    }

    fn from_private(private: [u8; KEY_BYTES]) -> KeyPair {
        let mut exchange = DefaultResolver.resolve_dh(&DHChoice::Curve25519).expect("snow has this curve");
        exchange.set(&private);
        let public = PublicKey::from_slice(exchange.pubkey()).expect("a key of this kind has 32 bytes");
        KeyPair { private, public }
    }

    /// Reads a private key as [`KeyPair::private_to_hex`] writes it.
    pub fn from_hex(text: &str) -> Option<KeyPair> {
        from_hex(text).map(KeyPair::from_private)
    }

    /// Returns the private key in 64 hexadecimal digits, for a file that nobody else may read.
    pub(crate) fn private_to_hex(&self) -> String {
        hex(&self.private)
    }
}

impl fmt::Debug for KeyPair {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("KeyPair").field("public", &self.public).finish_non_exhaustive()
    }
}

fn params(name: &str) -> NoiseParams {
    name.parse().expect("snow knows this protocol")
}

/// The side of a handshake.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Side {
    /// It dials, and sends the first message.
    Dials,
    /// It accepts.
    Accepts,
}

/// A message is not from a peer with the same pre-shared key and the same bytes before it, or it was changed.
#[derive(Debug)]
pub struct NotGenuine;

/// A Noise handshake on its way. Its messages have no payload, so their lengths are fixed.
pub(crate) struct Handshake(Box<HandshakeState>);

impl Handshake {
    /// The lengths of the messages of a call's handshake, in bytes.
    pub(crate) const CALL_LENGTHS: [usize; 3] = [48, 96, 64];
    /// The length of each of the two messages of a callback's handshake, in bytes.
    pub(crate) const CALLBACK_LENGTH: usize = 48;

    /// Begins a handshake. Both sides of a call connection have a static `key`. `prologue` is what both sides
    /// have sent so far.
    pub(crate) fn begin(
        (name, place): Pattern,
        side: Side,
        key: Option<&KeyPair>,
        psk: &[u8; KEY_BYTES],
        prologue: &[u8],
    ) -> Handshake {
        let mut builder = Builder::new(params(name)).psk(place, psk);
        if let Some(key) = key {
            builder = builder.and_then(|builder| builder.local_private_key(&key.private));
        }
        let built = builder.and_then(|builder| builder.prologue(prologue)).and_then(|builder| match side {
            Side::Dials => builder.build_initiator(),
            Side::Accepts => builder.build_responder(),
        });
        Handshake(Box::new(built.expect("all keys that the protocol needs are set")))
    }

    /// Returns our next message.
    pub(crate) fn message(&mut self) -> Vec<u8> {
        let mut message = vec![0; Handshake::CALL_LENGTHS[1]];
        let length = self.0.write_message(&[], &mut message).expect("it is our turn, and there is space");
        message.truncate(length);
        message
    }

    /// Takes the peer's next message.
    pub(crate) fn hear(&mut self, message: &[u8]) -> Result<(), NotGenuine> {
        self.0.read_message(message, &mut []).map(drop).map_err(|_| NotGenuine)
    }

    /// Returns the peer's static key, once its message has shown it.
    pub(crate) fn peer_key(&self) -> Option<PublicKey> {
        PublicKey::from_slice(self.0.get_remote_static()?)
    }

    /// Returns the seal, after the last message.
    pub(crate) fn finish(self) -> Seal {
        let hash = self.0.get_handshake_hash().try_into().expect("SHA-256 has 32 bytes");
        let peer_key = self.peer_key();
        let transport = self.0.into_stateless_transport_mode().expect("the last message is through");
        Seal {
            transport: RwLock::new(transport),
            sealed: Mutex::new(0),
            hash,
            peer_key,
            rekey_after: REKEY_AFTER,
            #[cfg(feature = "seeded-bugs")]
            takes_any_order: false.into(),
        }
    }
}

/// The keys of one stream, for both directions.
pub struct Seal {
    /// Written only for a new key, once in [`REKEY_AFTER`] records.
    transport: RwLock<StatelessTransportState>,
    /// Protects the number of records that were sealed, which is the nonce of the next one.
    sealed: Mutex<u64>,
    /// The hash of the handshake. No other handshake has it, and it is no secret.
    hash: [u8; KEY_BYTES],
    peer_key: Option<PublicKey>,
    rekey_after: u64,
    #[cfg(feature = "seeded-bugs")]
    takes_any_order: std::sync::atomic::AtomicBool,
}

impl Seal {
    /// Returns the peer's static key. A callback connection has none.
    pub fn peer_key(&self) -> Option<PublicKey> {
        self.peer_key
    }

    /// Returns the public name of the stream: the first half of the handshake's hash.
    pub fn channel(&self) -> Token {
        let (name, _) = self.hash.split_at(Token::BYTES);
        Token::from_bytes(name.try_into().expect("half of 32 bytes"))
    }

    /// Returns the hash of the handshake.
    pub(crate) fn hash(&self) -> &[u8; KEY_BYTES] {
        &self.hash
    }

    /// Returns `bytes` as records. The caller must write all of them, and in the order of the calls of this
    /// function: each record is sealed with its place in the stream.
    ///
    /// # Errors
    /// `OutOfMemory`. Then nothing is sealed.
    pub fn seal(&self, bytes: &[u8]) -> io::Result<Vec<u8>> {
        const AROUND_BYTES: usize = LENGTH_BYTES + TAG_BYTES;
        const CHUNK_BYTES: usize = RECORD_BYTES - TAG_BYTES;
        let records = bytes.len().div_ceil(CHUNK_BYTES);
        let length = bytes.len() + records * AROUND_BYTES;
        let mut out = Vec::new();
        out.try_reserve_exact(length).map_err(|_| io::Error::from(ErrorKind::OutOfMemory))?;
        out.resize(length, 0);
        // A panic under this lock would be a bug of snow's, and the stream is then lost with its thread.
        let mut sealed = self.sealed.lock().unwrap_or_else(PoisonError::into_inner);
        for (chunk, record) in bytes.chunks(CHUNK_BYTES).zip(out.chunks_mut(CHUNK_BYTES + AROUND_BYTES)) {
            if self.is_due(*sealed) {
                self.transport.write().unwrap_or_else(PoisonError::into_inner).rekey_outgoing();
            }
            let (head, body) = record.split_at_mut(LENGTH_BYTES);
            head.copy_from_slice(&(body.len() as u16).to_le_bytes());
            let transport = self.transport.read().unwrap_or_else(PoisonError::into_inner);
            transport.write_message(*sealed, chunk, body).expect("a record has space for its tag");
            *sealed += 1;
        }
        Ok(out)
    }

    /// Puts what a record holds into `plain`, and returns its length. `number` counts the records of the
    /// stream from 0. `plain` should be as long as the record, which saves an allocation and a copy.
    ///
    /// # Errors
    /// When the record is not the peer's record of this number.
    pub fn open(&self, number: u64, record: &[u8], plain: &mut [u8]) -> Result<usize, NotGenuine> {
        if self.is_due(number) {
            self.transport.write().unwrap_or_else(PoisonError::into_inner).rekey_incoming();
        }
        let transport = self.transport.read().unwrap_or_else(PoisonError::into_inner);
        #[cfg(feature = "seeded-bugs")]
        if self.takes_any_order.load(std::sync::atomic::Ordering::SeqCst) {
            let mut numbers = number.saturating_sub(8)..number + 8;
            let opened = numbers.find_map(|number| transport.read_message(number, record, plain).ok());
            return opened.ok_or(NotGenuine);
        }
        transport.read_message(number, record, plain).map_err(|_| NotGenuine)
    }

    /// The bug "records are opened in any order": each opens that is one of the next or of the last few.
    #[cfg(feature = "seeded-bugs")]
    pub fn take_any_order(&self) {
        self.takes_any_order.store(true, std::sync::atomic::Ordering::SeqCst);
    }

    /// Returns whether a new key is due before the record of this number.
    fn is_due(&self, number: u64) -> bool {
        number > 0 && number.is_multiple_of(self.rekey_after)
    }
}

impl fmt::Debug for Seal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Seal(..)")
    }
}

#[cfg(test)]
pub(crate) mod tests {
    use super::*;

    fn callback(side: Side, psk: &[u8; KEY_BYTES], prologue: &[u8]) -> Handshake {
        Handshake::begin(CALLBACK, side, None, psk, prologue)
    }

    /// Returns both ends of a sealed stream that changes its keys after `rekey_after` records.
    pub(crate) fn pair(rekey_after: u64) -> [Seal; 2] {
        let mut ends = [Side::Dials, Side::Accepts].map(|side| callback(side, &[7; 32], b"so far"));
        let message = ends[0].message();
        assert_eq!(message.len(), Handshake::CALLBACK_LENGTH);
        ends[1].hear(&message).unwrap();
        let message = ends[1].message();
        ends[0].hear(&message).unwrap();
        ends.map(|end| Seal { rekey_after, ..end.finish() })
    }

    #[test]
    fn a_key_survives_its_file_and_has_a_fingerprint() {
        let key = KeyPair::generate().unwrap();
        assert_eq!(KeyPair::from_hex(&key.private_to_hex()).unwrap().public, key.public);
        assert_eq!(PublicKey::from_hex(&key.public.to_hex()), Some(key.public));
        let fingerprint = key.public.fingerprint();
        assert_eq!(fingerprint.len(), 8 * 4 + 7, "{fingerprint}");
        for wrong in ["", "12", &"g".repeat(64), &"+1".repeat(32), &"é".repeat(32)] {
            assert!(PublicKey::from_hex(wrong).is_none() && KeyPair::from_hex(wrong).is_none(), "{wrong}");
        }
    }

    #[test]
    fn a_pre_shared_key_or_a_prologue_that_differs_is_noticed() {
        for (psk, prologue) in [([8; 32], &b"so far"[..]), ([7; 32], b"so fat")] {
            let message = callback(Side::Dials, &[7; 32], b"so far").message();
            assert!(callback(Side::Accepts, &psk, prologue).hear(&message).is_err());
        }
    }

    #[test]
    fn both_sides_change_the_key_at_the_same_record() {
        let [near, far] = pair(100);
        for (number, text) in (0..350).map(|number| (number, format!("text {number}"))) {
            for (from, to) in [(&near, &far), (&far, &near)] {
                let record = from.seal(text.as_bytes()).unwrap();
                let mut plain = vec![0; record.len()];
                let length = to.open(number, &record[LENGTH_BYTES..], &mut plain).unwrap();
                assert_eq!(&plain[..length], text.as_bytes());
            }
        }
    }

    #[test]
    fn a_side_that_keeps_its_old_key_is_not_understood() {
        let [near, mut far] = pair(2);
        far.rekey_after = REKEY_AFTER;
        let records: Vec<_> = (0..3).map(|_| near.seal(b"x").unwrap()).collect();
        let opens =
            |number: usize| far.open(number as u64, &records[number][LENGTH_BYTES..], &mut [0]).is_ok();
        assert_eq!([0, 1, 2].map(opens), [true, true, false]);
    }
}
