// A publisher and a subscriber. Prints what it has published itself, and what others publish meanwhile.

#include <a0rs.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void check(a0rs_error error) {
    if (error != A0RS_OK) {
        fprintf(stderr, "%s: %s\n", a0rs_error_name(error), a0rs_error_message());
        exit(1);
    }
}

int main(void) {
    a0rs_subscriber_sync *subscriber;
    check(a0rs_subscriber_sync_create("example/c", NULL, &subscriber));
    a0rs_publisher *publisher;
    check(a0rs_publisher_create("example/c", NULL, &publisher));

    const char *text = "25.0";
    a0rs_header headers[] = {{"unit", "degrees Celsius"}};
    check(a0rs_publish(publisher, text, strlen(text), NULL));
    check(a0rs_publish_with(publisher, headers, 1, text, strlen(text), NULL));

    for (int i = 0; i < 2; i++) {
        a0rs_message message; // Good until the next read.
        check(a0rs_subscriber_sync_read_blocking(subscriber, 1000, &message));
        const char *unit = a0rs_packet_header(&message.packet, "unit");
        printf("%.*s %s\n", (int)message.packet.payload.len, (const char *)message.packet.payload.data,
               unit ? unit : "(no unit)");
    }
    a0rs_publisher_destroy(publisher);
    a0rs_subscriber_sync_destroy(subscriber);
    return 0;
}
