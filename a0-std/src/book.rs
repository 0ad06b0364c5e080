//! The examples of the book are tests: those of all pages once, with the features that some of them need.
#![cfg(all(feature = "async", feature = "log", feature = "tracing", feature = "zerocopy"))]

macro_rules! page {
    ($name:ident, $path:literal) => {
        #[doc = include_str!($path)]
        mod $name {}
    };
}

page!(arena, "../../docs/arena.md");
page!(async_tasks, "../../docs/async.md");
page!(cfg, "../../docs/cfg.md");
page!(deadman, "../../docs/deadman.md");
page!(discovery, "../../docs/discovery.md");
page!(in_place, "../../docs/in-place.md");
page!(log, "../../docs/log.md");
page!(prpc, "../../docs/prpc.md");
page!(pubsub, "../../docs/pubsub.md");
page!(rpc, "../../docs/rpc.md");
page!(start, "../../docs/start.md");
page!(topics, "../../docs/topics.md");
page!(waiting, "../../docs/waiting.md");
