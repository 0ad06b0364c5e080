// A publisher and a subscriber that calls back.

#include <a0rs.hpp>
#include <future>
#include <iostream>

int main() try {
    std::promise<std::string> first;
    bool seen = false;
    a0rs::Subscriber subscriber("example/cpp", {}, [&](const a0rs::Message &message) {
        if (std::exchange(seen, true)) return;
        first.set_value(std::string(message.payload()) + " " + message.header("unit").value_or("(no unit)"));
    });
    a0rs::Publisher publisher("example/cpp");
    publisher.publish("25.0", {{"unit", "degrees Celsius"}});
    std::cout << first.get_future().get() << "\n";
} catch (const a0rs::Error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
