// Publishers and subscribers: what they do, and what they refuse.

#include "programs.h"
#include <pthread.h>

static void refused(void) {
    a0rs_publisher *publisher = (a0rs_publisher *)&publisher;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publisher_create(NULL, NULL, &publisher));
    TRUE(publisher == NULL && strstr(a0rs_error_message(), "topic: it is null"));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publisher_create("t", NULL, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publisher_create("\xff", NULL, &publisher));
    TRUE(strstr(a0rs_error_message(), "topic: it is not UTF-8"));
    EXPECT(A0RS_ERROR_NAME, a0rs_publisher_create("/t", NULL, &publisher));
    a0rs_file_options options = {0};
    options.access = 3;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publisher_create("t", &options, &publisher));
    options = (a0rs_file_options){.flags = 8};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publisher_create("t", &options, &publisher));
    options = (a0rs_file_options){.flags = A0RS_FILE_NO_CREATE};
    EXPECT(A0RS_ERROR_NOT_FOUND, a0rs_publisher_create("t", &options, &publisher));
    TRUE(strstr(a0rs_error_message(), "/t.pubsub.a0 does not exist: check the name"));
    options = (a0rs_file_options){.size = 100};
    EXPECT(A0RS_ERROR_FILE, a0rs_publisher_create("t", &options, &publisher));

    options = (a0rs_file_options){.size = 4096, .mode = 0600};
    OK(a0rs_publisher_create("t", &options, &publisher));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish(NULL, "x", 1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish(publisher, NULL, 1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish(publisher, "x", SIZE_MAX, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish_with(publisher, NULL, 1, "x", 1, NULL));
    a0rs_header header = {"key", NULL};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish_with(publisher, &header, 1, "x", 1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish_with(publisher, &header, SIZE_MAX, "x", 1, NULL));
    header.value = "\xc3(";
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_publish_with(publisher, &header, 1, "x", 1, NULL));
    static char large[8192];
    EXPECT(A0RS_ERROR_TOO_LARGE, a0rs_publish(publisher, large, sizeof large, NULL));
    TRUE(strstr(a0rs_error_message(), "t.pubsub.a0: a message of "));
    OK(a0rs_publish(publisher, NULL, 0, NULL));
    a0rs_publisher_destroy(publisher);

    a0rs_subscriber_sync *sync;
    a0rs_reader_options reader = {.init = 3};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_create("t", &reader, &sync));
    reader = (a0rs_reader_options){.iter = 2};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_create("t", &reader, &sync));
    reader = (a0rs_reader_options){.wait = 4};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_create("t", &reader, &sync));
    a0rs_message message;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read(NULL, &message));
    reader = (a0rs_reader_options){.init = A0RS_INIT_OLDEST, .wait = A0RS_WAIT_SPIN_THEN_SLEEP, .spin_us = 1};
    OK(a0rs_subscriber_sync_create("t", &reader, &sync));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read(sync, NULL));
    OK(a0rs_subscriber_sync_read(sync, &message));
    TRUE(message.packet.payload.len == 0);
    a0rs_subscriber_sync_destroy(sync);

    a0rs_publisher_destroy(NULL);
    a0rs_subscriber_destroy(NULL);
    a0rs_subscriber_sync_destroy(NULL);
    a0rs_owned_packet_destroy(NULL);
    TRUE(a0rs_owned_packet_view(NULL) == NULL);
    TRUE(a0rs_packet_header(NULL, "key") == NULL && a0rs_packet_header(&message.packet, NULL) == NULL);
    TRUE(strcmp(a0rs_error_name(A0RS_ERROR_TIMEOUT), "timeout") == 0 && strcmp(a0rs_error_name(-1), "unknown") == 0);
}

static void *interrupts(void *subscriber) {
    a0rs_message message;
    a0rs_error error;
    // Only one of the two threads can be reading.
    while ((error = a0rs_subscriber_sync_read(subscriber, &message)) == A0RS_AGAIN) usleep(100);
    EXPECT(A0RS_ERROR_BUSY, error);
    OK(a0rs_subscriber_sync_interrupt(subscriber));
    return NULL;
}

static void read_when_asked(void) {
    a0rs_publisher *publisher;
    a0rs_subscriber_sync *subscriber;
    OK(a0rs_publisher_create("sync", NULL, &publisher));
    OK(a0rs_subscriber_sync_create("sync", NULL, &subscriber));
    a0rs_message message;
    EXPECT(A0RS_AGAIN, a0rs_subscriber_sync_read(subscriber, &message));
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_subscriber_sync_read_blocking(subscriber, 1, &message));
    TRUE(strstr(a0rs_error_message(), "sync.pubsub.a0: nothing new within"));

    a0rs_header headers[] = {{"key", "first"}, {"key", "second"}, {"empty", ""}};
    a0rs_published published;
    OK(a0rs_publish_with(publisher, headers, 3, "payload", 7, &published));
    OK(a0rs_subscriber_sync_read_blocking(subscriber, -1, &message));
    TRUE(message.seq == 1 && message.missed == 0 && published.seq == 1 && is(message.packet.payload, "payload"));
    TRUE(strlen(message.packet.id.text) == 36 && strcmp(message.packet.id.text, published.id.text) == 0);
    TRUE(strcmp(a0rs_packet_header(&message.packet, "key"), "first") == 0);
    TRUE(strcmp(a0rs_packet_header(&message.packet, "empty"), "") == 0);
    TRUE(a0rs_packet_header(&message.packet, "none") == NULL);
    TRUE(message.packet.headers_len == 8 && strcmp(message.packet.headers[6].value, "second") == 0);

    pthread_t thread;
    TRUE(pthread_create(&thread, NULL, interrupts, subscriber) == 0);
    a0rs_error error;
    // The other thread may be the one that is reading.
    while ((error = a0rs_subscriber_sync_read_blocking(subscriber, -1, &message)) == A0RS_ERROR_BUSY) continue;
    EXPECT(A0RS_ERROR_INTERRUPTED, error);
    pthread_join(thread, NULL);
    a0rs_subscriber_sync_destroy(subscriber);
    a0rs_publisher_destroy(publisher);
}

static void *commits(void *loan) {
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_loan_commit(loan, 1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_loan_drop(loan));
    return NULL;
}

static void loans(void) {
    a0rs_publisher *publisher;
    a0rs_subscriber_sync *subscriber;
    OK(a0rs_publisher_create("loan", NULL, &publisher));
    OK(a0rs_subscriber_sync_create("loan", NULL, &subscriber));
    a0rs_header header = {"key", "value"};
    a0rs_loan *loan;
    void *data;
    OK(a0rs_publisher_loan(publisher, NULL, 0, 10, &data, &loan));
    OK(a0rs_loan_drop(loan));
    OK(a0rs_publisher_loan(publisher, &header, 1, 10, &data, &loan));
    EXPECT(A0RS_ERROR_LOCK, a0rs_publish(publisher, "x", 1, NULL));
    pthread_t thread;
    TRUE(pthread_create(&thread, NULL, commits, loan) == 0);
    pthread_join(thread, NULL);
    // It outlives its publisher.
    a0rs_publisher_destroy(publisher);
    memcpy(data, "loaned....", 10);
    OK(a0rs_loan_commit(loan, 6, NULL));
    a0rs_message message;
    OK(a0rs_subscriber_sync_read(subscriber, &message));
    TRUE(message.seq == 1 && is(message.packet.payload, "loaned"));
    TRUE(strcmp(a0rs_packet_header(&message.packet, "key"), "value") == 0);
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_loan_commit(NULL, 1, NULL));
    a0rs_subscriber_sync_destroy(subscriber);
}

struct counting {
    int seen, freed;
    a0rs_subscriber *subscriber;
    pthread_mutex_t mutex;
    pthread_cond_t changed;
};

static void count(void *user, const a0rs_message *message) {
    struct counting *counting = user;
    pthread_mutex_lock(&counting->mutex);
    counting->seen++;
    TRUE(message->seq == (uint64_t)counting->seen && is(message->packet.payload, "x"));
    if (counting->seen == 3) a0rs_subscriber_destroy(counting->subscriber); // The last call.
    pthread_cond_signal(&counting->changed);
    pthread_mutex_unlock(&counting->mutex);
}

static void freed(void *user) {
    struct counting *counting = user;
    pthread_mutex_lock(&counting->mutex);
    counting->freed++;
    pthread_cond_signal(&counting->changed);
    pthread_mutex_unlock(&counting->mutex);
}

static void called_back(void) {
    struct counting counting = {0, 0, NULL, PTHREAD_MUTEX_INITIALIZER, PTHREAD_COND_INITIALIZER};
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_create("back", NULL, NULL, &counting, freed, &counting.subscriber));
    EXPECT(A0RS_ERROR_NAME, a0rs_subscriber_create("", NULL, count, &counting, freed, &counting.subscriber));
    TRUE(counting.freed == 2);

    a0rs_publisher *publisher;
    OK(a0rs_publisher_create("back", NULL, &publisher));
    pthread_mutex_lock(&counting.mutex);
    OK(a0rs_subscriber_create("back", NULL, count, &counting, freed, &counting.subscriber));
    TRUE(a0rs_subscriber_skipped(counting.subscriber) == 0);
    for (int i = 0; i < 5; i++) OK(a0rs_publish(publisher, "x", 1, NULL));
    while (counting.freed < 3) pthread_cond_wait(&counting.changed, &counting.mutex);
    TRUE(counting.seen == 3);
    pthread_mutex_unlock(&counting.mutex);
    a0rs_publisher_destroy(publisher);
}

int main(void) {
    TRUE(strcmp(a0rs_error_message(), "") == 0);
    refused();
    read_when_asked();
    loans();
    called_back();
    return 0;
}
