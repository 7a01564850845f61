//! The one question that a batch of ed25519 signatures is asked natively: are all of them valid?
//!
//! The rule is ZIP-215, as `ed25519-zebra` has it: with it, and only with it, a batch agrees with the
//! checks of its signatures one by one (ZIP-215, "Batch verification"), up to a chance of 2^-128.
//! Which one is bad is not answered here: who asks checks them one by one then.

use ed25519_zebra::{Signature, VerificationKeyBytes, batch};
use napi::bindgen_prelude::Uint8Array;
use napi::{Error, Result, Status};
use napi_derive::napi;

const LENGTH_BYTES: usize = 4;
const PUBLIC_KEY_BYTES: usize = 32;
const SIGNATURE_BYTES: usize = 64;

/// What one item of a batch holds, as it lies in the buffer.
struct Item<'a> {
    public_key: [u8; PUBLIC_KEY_BYTES],
    signature: [u8; SIGNATURE_BYTES],
    message: &'a [u8],
}

/// Whether every signature of a packed batch is valid; true for an empty one.
///
/// `packed` is laid out as in `sequencer/node/signature-workers/packing.ts`, little-endian: u32 count,
/// then for each item u32 length of the message, public key (32), signature (64), message.
/// Throws InvalidArg when the buffer ends early or goes on behind its last item.
#[napi]
pub fn are_all_valid(packed: Uint8Array) -> Result<bool> {
    let items = read_items(&packed)
        .ok_or_else(|| Error::new(Status::InvalidArg, "expected a packed batch of signatures"))?;
    if items.is_empty() {
        return Ok(true);
    }
    let mut verifier = batch::Verifier::new();
    for Item { public_key, signature, message } in items {
        let key = VerificationKeyBytes::from(public_key);
        verifier.queue((key, Signature::from(signature), message));
    }
    Ok(verifier.verify(rand::rng()).is_ok())
}

fn read_items(packed: &[u8]) -> Option<Vec<Item<'_>>> {
    let (count, mut rest) = read_length(packed)?;
    // As many as the buffer can hold at most: a count that lies reserves nothing.
    let mut items = Vec::with_capacity(count.min(packed.len() / SIGNATURE_BYTES));
    for _ in 0..count {
        let (length, tail) = read_length(rest)?;
        let (public_key, tail) = tail.split_first_chunk()?;
        let (signature, tail) = tail.split_first_chunk()?;
        let (message, tail) = tail.split_at_checked(length)?;
        items.push(Item { public_key: *public_key, signature: *signature, message });
        rest = tail;
    }
    rest.is_empty().then_some(items)
}

fn read_length(bytes: &[u8]) -> Option<(usize, &[u8])> {
    let (length, rest) = bytes.split_first_chunk::<LENGTH_BYTES>()?;
    Some((u32::from_le_bytes(*length) as usize, rest))
}
