// The C++ classes: each once, with what is theirs: who frees what, what is thrown, what can be moved.

#undef NDEBUG
#include <a0rs.hpp>
#include <cassert>
#include <cstring>
#include <future>
#include <type_traits>

using namespace a0rs;
using namespace std::chrono_literals;

template <typename F> a0rs_error code(F f) {
    try {
        f();
    } catch (const Error &error) {
        assert(*error.what());
        return error.code();
    }
    return A0RS_OK;
}

// Goes when the callback that has it goes.
struct Token {
    std::promise<void> gone;
    ~Token() { gone.set_value(); }
};

static void pubsub() {
    static_assert(!std::is_copy_constructible_v<Publisher> && std::is_move_constructible_v<Publisher>);
    assert(code([] { Publisher("/absolute"); }) == A0RS_ERROR_NAME);
    Publisher publisher("topic", {4096, 0, 0, 0, 0});
    SubscriberSync reader("topic");
    assert(!reader.read());
    assert(code([&] { reader.read(1ms); }) == A0RS_ERROR_TIMEOUT);
    assert(code([&] { publisher.publish("x", {{"a\0b", "c"}, {std::string("a\0b", 3), "c"}}); }) ==
           A0RS_ERROR_BAD_PACKET);
    assert(code([&] { publisher.publish(std::string(5000, 'x')); }) == A0RS_ERROR_TOO_LARGE);

    auto published = publisher.publish({"a\0b", 3}, {{"key", "value"}});
    auto moved = std::move(reader);
    auto message = *moved.read();
    assert(message.payload() == std::string_view("a\0b", 3) && message.id() == published.id.text);
    assert(message.seq() == 1 && message.missed() == 0);
    assert(message.headers().back() == Headers::value_type("key", "value") && !message.header("none"));

    { Loan dropped = publisher.loan(10); }
    Loan loan = publisher.loan(10, {{"key", "loaned"}});
    assert(code([&] { publisher.publish("x"); }) == A0RS_ERROR_LOCK);
    std::memcpy(loan.data(), "in place", 8);
    assert(loan.size() == 10 && loan.commit(8).seq == 2);
    auto loaned = moved.read(Timeout::forever());
    assert(loaned.payload() == "in place" && loaned.header("key") == "loaned");
    moved.interrupt();
    assert(code([&] { moved.read(1s); }) == A0RS_ERROR_INTERRUPTED);

    auto token = std::make_shared<Token>();
    auto gone = token->gone.get_future();
    std::promise<std::string> seen;
    std::optional<Subscriber> subscriber;
    subscriber.emplace("topic", a0rs_reader_options{A0RS_INIT_MOST_RECENT, 0, A0RS_WAIT_SLEEP, 0, {}},
                       [&, token](const Message &newest) { seen.set_value(std::string(newest.payload())); });
    token.reset();
    assert(seen.get_future().get() == "in place" && subscriber->skipped() == 0);
    subscriber.reset();
    assert(gone.wait_for(0s) == std::future_status::ready);
}

static void in_place() {
    Publisher publisher("place", {16384, 0, 0, 0, 0});
    SubscriberSync reader("place");
    assert(reader.read_batch([](const Message &) {}) == 0 && !reader.read_in_place([](const View &) {}));
    for (int i = 0; i < 4; i++) publisher.publish(std::string(1, char('0' + i)));
    // Each is called for, also behind one that throws.
    std::string seen;
    auto each = [&](const Message &message) {
        seen += message.payload();
        if (message.seq() == 2) throw std::logic_error("second");
        if (message.seq() == 3) throw std::logic_error("third");
    };
    try {
        reader.read_batch(each);
        assert(false);
    } catch (const std::logic_error &error) {
        assert(error.what() == std::string("second"));
    }
    assert(seen == "0123" && reader.read_batch(each) == 0);
    publisher.publish("4");
    assert(reader.read_batch(std::chrono::seconds(5), each) == 1 && seen == "01234");
    assert(code([&] { reader.read_batch(std::chrono::milliseconds(1), each); }) == A0RS_ERROR_TIMEOUT);

    std::string payload(4000, 'x');
    payload.replace(8, 4, {"\1\0\0\0", 4});
    publisher.publish(payload, {{"key", "value"}});
    std::uint32_t number = 0;
    assert(reader.read_in_place([&](const View &view) {
        assert(view.size() == 4000 && view.header("key") == "value" && view.seq() == 6 && view.is_intact());
        number = view.read<std::uint32_t>(8);
        assert(code([&] { view.read<std::uint32_t>(3997); }) == A0RS_ERROR_ARGUMENT);
    }));
    assert(number == 1);
    publisher.publish("x");
    // What the callback throws counts as little as what it has learnt, if the message was overwritten.
    auto overtaken = [&](const View &view) {
        for (int i = 0; i < 10; i++) publisher.publish(payload);
        assert(!view.is_intact());
        throw std::logic_error("does not count");
    };
    assert(code([&] { reader.read_in_place(1s, overtaken); }) == A0RS_ERROR_OVERWRITTEN);
    bool caught = false;
    try {
        reader.read_in_place(1s, [](const View &) { throw 7; });
    } catch (int thrown) {
        caught = thrown == 7;
    }
    assert(caught);
    reader.interrupt();

    SubscriberSyncZeroCopy locked("place", {A0RS_INIT_MOST_RECENT, 0, 0, 0, {}});
    assert(locked.read([&](const Message &message) {
        assert(message.payload() == payload);
        assert(code([&] { publisher.publish("x"); }) == A0RS_ERROR_LOCK);
    }));
    assert(!locked.read([](const Message &) {}));
    publisher.publish("last");
    caught = false;
    try {
        locked.read(1s, [](const Message &) { throw 7; });
    } catch (int) {
        publisher.publish("unlocked");
        caught = true;
    }
    assert(caught);
    locked.interrupt();
    std::promise<std::string> told;
    SubscriberZeroCopy threaded("place", {A0RS_INIT_MOST_RECENT, 0, 0, 0, {}},
                                [&](const Message &message) { told.set_value(std::string(message.payload())); });
    assert(told.get_future().get() == "unlocked" && threaded.skipped() == 0);
    assert(code([] { SubscriberZeroCopy({"a\0b", 3}, {}, [](const Message &) {}); }) == A0RS_ERROR_ARGUMENT);
}

static void calls() {
    std::promise<std::string> cancelled;
    RpcServer server(
        "calls",
        [](RpcRequest request) {
            if (request.packet().payload() == "never") return;
            if (request.packet().payload() == "fail") return request.fail("no luck");
            request.reply(request.packet().payload(), {{"echo", "yes"}});
        },
        [&](const a0rs_id &id) { cancelled.set_value(id.text); });
    RpcClient client("calls");
    auto reply = client.call("ask", 10s);
    assert(reply.payload() == "ask" && reply.header("echo") == "yes");
    assert(code([&] { client.call("fail", 10s); }) == A0RS_ERROR_REMOTE);
    std::promise<std::string> replied;
    client.send("later", 10s, [&](a0rs_error error, const std::optional<Packet> &packet) {
        assert(error == A0RS_OK);
        replied.set_value(std::string(packet->payload()));
    });
    assert(replied.get_future().get() == "later");
    auto token = std::make_shared<Token>();
    auto gone = token->gone.get_future();
    auto id = client.send("never", Timeout::forever(), [token](a0rs_error, const std::optional<Packet> &) {});
    token.reset();
    client.cancel(id);
    gone.wait();
    assert(cancelled.get_future().get() == id.text);

    PrpcServer many("calls", [](PrpcConnection connection) {
        assert(connection.packet().payload() == "go" && !connection.is_cancelled());
        connection.send("1", false);
        connection.send("2", true);
    });
    PrpcClient asks("calls");
    std::promise<std::string> all;
    asks.connect("go", 10s, [&, so_far = std::string()](auto, const auto &packet, bool done) mutable {
        so_far += packet->payload();
        if (done) all.set_value(so_far);
    });
    assert(all.get_future().get() == "12");
    auto stream = asks.stream("go", 10s);
    assert(!stream.next().done);
    auto last = stream.next();
    assert(last.done && last.packet.payload() == "2");
}

static void others() {
    Cfg cfg("robot");
    assert(!cfg.read());
    assert(cfg.write_if_empty("{\"a\":1}") && !cfg.write_if_empty("{}"));
    cfg.merge_patch("{\"b\":2}");
    assert(cfg.read()->payload() == "{\"b\":2,\"a\":1}");
    assert(code([&] { cfg.merge_patch("{"); }) == A0RS_ERROR_CONFIG);
    std::promise<std::string> told;
    auto watcher = cfg.watch([&](const Message &message) { told.set_value(std::string(message.payload())); });
    assert(told.get_future().get() == "{\"b\":2,\"a\":1}");

    std::promise<std::string> logged;
    LogListener listener("robot", A0RS_LEVEL_WARN, {}, [&](a0rs_level level, const Message &message) {
        assert(level == A0RS_LEVEL_ERR);
        logged.set_value(std::string(message.payload()));
    });
    Logger logger("robot");
    logger.log(A0RS_LEVEL_INFO, "started");
    logger.log(A0RS_LEVEL_ERR, "failed", {{"why", "unknown"}});
    assert(logged.get_future().get() == "failed");

    Deadman mine("robot"), other("robot");
    assert(mine.try_take()->token == 1 && !other.try_take());
    assert(other.wait_taken(1s) == 1 && mine.state().is_owner && !other.state().is_owner);
    assert(code([&] { other.release(); }) == A0RS_ERROR_NOT_OWNER);
    mine.release();
    other.wait_released(1, 1s);
    assert(other.take(1s).token == 2);

    std::promise<std::string> found;
    Discovery discovery(A0RS_PROTOCOL_CFG, "*", [&](const a0rs_discovered &topic) {
        assert(topic.found && topic.protocol == A0RS_PROTOCOL_CFG);
        found.set_value(topic.topic);
    });
    assert(found.get_future().get() == "robot");
}

int main() {
    pubsub();
    in_place();
    calls();
    others();
}
