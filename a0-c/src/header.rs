//! Looking for a header of a packet.
#![allow(unsafe_code)]

use std::ffi::{CStr, c_char};
use std::ptr;

use crate::args;
use crate::error::guard_or;
use crate::packet::{a0rs_header, a0rs_packet};

/// The value of the first header with this key; null if there is none. Valid as long as the packet.
#[unsafe(no_mangle)]
pub unsafe extern "C" fn a0rs_packet_header(packet: Option<&a0rs_packet>, key: *const c_char) -> *const c_char {
    guard_or(ptr::null(), || {
        // SAFETY: null or a C string, as every caller promises.
        let (Some(packet), Ok(key)) = (packet, unsafe { args::text("key", key) }) else { return ptr::null() };
        let mut list = match packet.headers_len {
            0 => [].iter(),
            // SAFETY: a packet that this library has handed out has as many as it says.
            len => unsafe { std::slice::from_raw_parts(packet.headers, len) }.iter(),
        };
        // SAFETY: the headers of a packet are C strings.
        let is_it = |header: &&a0rs_header| unsafe { CStr::from_ptr(header.key) }.to_bytes() == key.as_bytes();
        list.find(is_it).map_or(ptr::null(), |header| header.value)
    })
}
