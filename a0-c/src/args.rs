//! What callers hand over: checked where it can be.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char, c_void};
use std::mem::MaybeUninit;
use std::slice;
use std::sync::{Mutex, MutexGuard, TryLockError};
use std::time::Duration;

use a0_std::Id;

use crate::error::{Failure, Result, argument};
use crate::packet::{a0rs_header, a0rs_id};

/// A text; null and what is no UTF-8 are refused.
///
/// # Safety
/// Null, or a C string that stays for `'a`.
pub(crate) unsafe fn text<'a>(name: &str, text: *const c_char) -> Result<&'a str> {
    if text.is_null() {
        return Err(argument(name, "it is null"));
    }
    // SAFETY: not null, so a C string.
    unsafe { CStr::from_ptr(text) }.to_str().map_err(|_| argument(name, "it is not UTF-8"))
}

/// Bytes; null is good enough for none.
///
/// # Safety
/// Null, or `len` bytes that stay unchanged for `'a`.
pub(crate) unsafe fn bytes<'a>(name: &str, bytes: *const c_void, len: usize) -> Result<&'a [u8]> {
    if len == 0 {
        return Ok(&[]);
    }
    can_be(name, bytes, len)?;
    // SAFETY: neither null nor too large, so as many bytes as it says.
    Ok(unsafe { slice::from_raw_parts(bytes.cast(), len) })
}

/// Room for bytes; null is good enough for none.
///
/// # Safety
/// Null, or room for `len` bytes that is nobody else's for `'a`.
pub(crate) unsafe fn room<'a>(name: &str, room: *mut c_void, len: usize) -> Result<&'a mut [u8]> {
    if len == 0 {
        return Ok(&mut []);
    }
    can_be(name, room, len)?;
    // SAFETY: neither null nor too large, so room for as many bytes as it says, and nobody else's.
    Ok(unsafe { slice::from_raw_parts_mut(room.cast(), len) })
}

fn can_be(name: &str, bytes: *const c_void, len: usize) -> Result<()> {
    if bytes.is_null() {
        return Err(argument(name, "it is null"));
    }
    if isize::try_from(len).is_err() {
        return Err(argument(name, "there cannot be that many bytes"));
    }
    Ok(())
}

/// Headers and payload of what is to be sent.
pub(crate) struct Content<'a> {
    pub(crate) headers: Vec<(&'a str, &'a str)>,
    pub(crate) payload: &'a [u8],
}

/// # Safety
/// `headers` is null or points to `headers_len` headers, `payload` is null or points to `payload_len` bytes; all stay
/// unchanged for `'a`.
pub(crate) unsafe fn content<'a>(
    list: *const a0rs_header,
    list_len: usize,
    payload: *const c_void,
    payload_len: usize,
) -> Result<Content<'a>> {
    // SAFETY: as promised.
    let payload = unsafe { bytes("payload", payload, payload_len) }?;
    // SAFETY: as promised.
    let headers = unsafe { headers(list, list_len) }?;
    Ok(Content { headers, payload })
}

/// # Safety
/// Null, or `len` headers that stay unchanged for `'a`.
pub(crate) unsafe fn headers<'a>(list: *const a0rs_header, len: usize) -> Result<Vec<(&'a str, &'a str)>> {
    if len == 0 {
        return Ok(vec![]);
    }
    if list.is_null() {
        return Err(argument("headers", "it is null"));
    }
    if len > isize::MAX as usize / size_of::<a0rs_header>() {
        return Err(argument("headers", "there cannot be that many"));
    }
    // SAFETY: neither null nor too many, so as many headers as it says.
    let list: &[a0rs_header] = unsafe { slice::from_raw_parts(list, len) };
    let mut headers = Vec::with_capacity(list.len());
    for header in list {
        // SAFETY: part of the headers.
        let key = unsafe { text("headers: key", header.key) }?;
        // SAFETY: part of the headers.
        let value = unsafe { text("headers: value", header.value) }?;
        headers.push((key, value));
    }
    Ok(headers)
}

/// What a handle or a structure points to.
pub(crate) fn given<'a, T>(name: &str, pointer: Option<&'a T>) -> Result<&'a T> {
    pointer.ok_or_else(|| argument(name, "it is null"))
}

/// Where a result goes.
pub(crate) fn place<'a, T>(name: &str, out: Option<&'a mut MaybeUninit<T>>) -> Result<&'a mut MaybeUninit<T>> {
    out.ok_or_else(|| argument(name, "it is null"))
}

/// Where a new handle goes: null until there is one.
pub(crate) fn handle<'a, T>(name: &str, out: Option<&'a mut MaybeUninit<*mut T>>) -> Result<&'a mut *mut T> {
    Ok(place(name, out)?.write(std::ptr::null_mut()))
}

/// A result that the caller may not want.
pub(crate) fn tell<T>(out: Option<&mut MaybeUninit<T>>, value: T) {
    if let Some(out) = out {
        out.write(value);
    }
}

/// Negative is as long as it takes.
pub(crate) fn timeout(timeout_ms: i64) -> Option<Duration> {
    u64::try_from(timeout_ms).ok().map(Duration::from_millis)
}

pub(crate) fn id(id: Option<&a0rs_id>) -> Result<Id> {
    let [text @ .., end] = &given("id", id)?.text;
    let bytes = text.map(|char| char as u8);
    let parsed = Id::parse(&bytes).ok().filter(|_| *end == 0);
    parsed.ok_or_else(|| argument("id", "it must be 36 bytes of UTF-8 and a NUL"))
}

/// What is for one thread at a time, and for no callback that it runs.
pub(crate) fn alone<T>(used: &Mutex<T>) -> Result<MutexGuard<'_, T>> {
    match used.try_lock() {
        Ok(used) => Ok(used),
        Err(TryLockError::Poisoned(poisoned)) => Ok(poisoned.into_inner()),
        Err(TryLockError::WouldBlock) => Err(Failure::Busy),
    }
}

/// For handles that any number of threads may use: does not compile for others.
pub(crate) const fn for_any_thread<T: Send + Sync>() {}
