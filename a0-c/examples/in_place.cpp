// Large messages: filled where they are published, looked at where they lie.

#include <a0rs.hpp>
#include <cstring>
#include <iostream>

int main() try {
    const size_t size = 640 * 480;
    a0rs::SubscriberSync camera("example/camera");
    a0rs::Publisher publisher("example/camera");
    a0rs::Loan image = publisher.loan(size);
    std::memset(image.data(), 7, size);
    image.commit();

    // A publisher may overwrite what is looked at; then this throws, and what was learnt does not count.
    int pixel = 0;
    camera.read_in_place(std::chrono::seconds(1), [&](const a0rs::View &view) {
        if (view.size() == size) pixel = view.read<unsigned char>(size / 2);
    });
    std::cout << pixel << "\n";

    // What is left, without waiting: as many at a time as there are.
    publisher.publish("small");
    camera.read_batch([](const a0rs::Message &message) { std::cout << message.payload() << "\n"; });
} catch (const a0rs::Error &error) {
    std::cerr << error.what() << "\n";
    return 1;
}
