// killed hold TOPIC: takes a deadman and a loan, says so, and waits to be killed while it holds the topic's lock.
// killed after TOPIC: publishes on that topic, and hears that its predecessor died.

#include "programs.h"

int main(int count, char **words) {
    TRUE(count == 3);
    a0rs_publisher *publisher;
    OK(a0rs_publisher_create(words[2], NULL, &publisher));
    a0rs_deadman *deadman;
    a0rs_taken taken;
    OK(a0rs_deadman_create(words[2], NULL, &deadman));
    OK(a0rs_deadman_try_take(deadman, &taken));
    if (strcmp(words[1], "hold") == 0) {
        a0rs_loan *loan;
        void *data;
        TRUE(!taken.previous_owner_died);
        OK(a0rs_publish(publisher, "before", 6, NULL));
        OK(a0rs_publisher_loan(publisher, NULL, 0, 100, &data, &loan));
        memset(data, 'x', 100);
        alarm(60); // In case that nobody does.
        puts("held");
        fflush(stdout);
        for (;;) pause();
    }
    TRUE(taken.previous_owner_died && taken.token == 2);
    a0rs_published published;
    OK(a0rs_publish(publisher, "after", 5, &published));
    TRUE(published.seq == 2);
    a0rs_deadman_destroy(deadman);
    a0rs_publisher_destroy(publisher);
    return 0;
}
