// AlephZero for C++17: handles that close themselves, errors that are thrown. Over a0rs.h, which says more about each
// function; this header has nothing of its own to link with.
//
// Everything that fails throws a0rs::Error. Objects can be moved, not copied, and are used by any thread unless a0rs.h
// says otherwise.
//
// What a callback throws ends the program if it runs on a thread of the library. If it runs in the thread that has called,
// as those of read_batch and of reading in place do, it is thrown again behind the call.

#ifndef A0RS_HPP
#define A0RS_HPP

#include "a0rs/cfg.hpp"
#include "a0rs/deadman.hpp"
#include "a0rs/discovery.hpp"
#include "a0rs/log.hpp"
#include "a0rs/prpc.hpp"
#include "a0rs/pubsub.hpp"
#include "a0rs/rpc.hpp"
#include "a0rs/zero_copy.hpp"

#endif
