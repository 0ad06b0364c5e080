// Reading in batches, and looking at messages in place: what they do, and what they refuse.

#define _GNU_SOURCE
#include "seen.h"
#include <fcntl.h>
#include <sys/mman.h>

static const uint64_t SIZE = 16384;

// Makes what was published on a topic no packet: says that it has more headers than there can be.
static void spoil(const char *topic, const a0rs_published *published) {
    char path[512];
    snprintf(path, sizeof path, "%s/%s.pubsub.a0", getenv("A0_ROOT"), topic);
    int file = open(path, O_RDWR);
    char *bytes = mmap(NULL, SIZE, PROT_READ | PROT_WRITE, MAP_SHARED, file, 0);
    TRUE(file >= 0 && bytes != MAP_FAILED);
    char *packet = memmem(bytes, SIZE, published->id.text, 36);
    TRUE(packet);
    memset(packet + 37, 0xff, 8);
    munmap(bytes, SIZE);
    close(file);
}

struct batch {
    a0rs_subscriber_sync *subscriber;
    uint64_t seq;
    int bad;
};

static void one(void *user, a0rs_error error, const a0rs_message *message) {
    struct batch *batch = user;
    batch->seq++;
    if (error == A0RS_ERROR_BAD_MESSAGE) {
        TRUE(message == NULL && strstr(a0rs_error_message(), "batch.pubsub.a0: message 3 "));
        batch->bad++;
        return;
    }
    OK(error);
    TRUE(message->seq == batch->seq && message->missed == 0 && is(message->packet.payload, "x"));
    char number[8];
    snprintf(number, sizeof number, "%d", (int)batch->seq);
    TRUE(strcmp(a0rs_packet_header(&message->packet, "number"), number) == 0);
    a0rs_message other;
    EXPECT(A0RS_ERROR_BUSY, a0rs_subscriber_sync_read(batch->subscriber, &other));
}

static void batches(void) {
    a0rs_publisher *publisher;
    struct batch batch = {0};
    a0rs_reader_options options = {.file.size = SIZE};
    OK(a0rs_subscriber_sync_create("batch", &options, &batch.subscriber));
    OK(a0rs_publisher_create("batch", NULL, &publisher));
    size_t count = 7;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_batch(NULL, one, &batch, &count));
    TRUE(count == 0);
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_batch(batch.subscriber, NULL, &batch, &count));
    EXPECT(A0RS_AGAIN, a0rs_subscriber_sync_read_batch(batch.subscriber, one, &batch, &count));
    TRUE(count == 0);
    EXPECT(A0RS_AGAIN, a0rs_subscriber_sync_read_batch(batch.subscriber, one, &batch, NULL));

    char number[8];
    a0rs_header header = {"number", number};
    for (int i = 1; i <= 20; i++) {
        a0rs_published published;
        snprintf(number, sizeof number, "%d", i);
        OK(a0rs_publish_with(publisher, &header, 1, "x", 1, &published));
        if (i == 3) spoil("batch", &published);
    }
    size_t calls = 0, all = 0;
    a0rs_error error;
    while ((error = a0rs_subscriber_sync_read_batch(batch.subscriber, one, &batch, &count)) != A0RS_AGAIN) {
        OK(error);
        TRUE(count > 0 && count <= 16);
        calls++;
        all += count;
        TRUE(batch.seq == all);
    }
    TRUE(all == 20 && calls < 5 && batch.bad == 1);
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_subscriber_sync_read_batch_blocking(batch.subscriber, 1, one, &batch, &count));
    TRUE(count == 0);
    snprintf(number, sizeof number, "21");
    OK(a0rs_publish_with(publisher, &header, 1, "x", 1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_batch_blocking(batch.subscriber, 1, NULL, &batch, &count));
    OK(a0rs_subscriber_sync_read_batch_blocking(batch.subscriber, -1, one, &batch, &count));
    TRUE(count == 1);
    a0rs_publisher_destroy(publisher);
    a0rs_subscriber_sync_destroy(batch.subscriber);
}

struct looking {
    a0rs_publisher *publisher;
    a0rs_subscriber_sync *subscriber;
    int looks, publish;
    uint64_t seq, missed;
    char last;
};

static void look(void *user, const a0rs_view *view) {
    struct looking *looking = user;
    looking->looks++;
    const a0rs_message *head = a0rs_view_head(view);
    size_t len = a0rs_view_len(view);
    looking->seq = head->seq;
    looking->missed = head->missed;
    TRUE(len == 2000 && head->packet.payload.len == 0 && strlen(head->packet.id.text) == 36);
    TRUE(strcmp(a0rs_packet_header(&head->packet, "key"), "value") == 0);

    char bytes[4] = "";
    OK(a0rs_view_copy(view, 1, bytes, 3));
    TRUE(strcmp(bytes, "bcd") == 0);
    OK(a0rs_view_copy(view, len - 1, &looking->last, 1));
    OK(a0rs_view_copy(view, len, NULL, 0));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_view_copy(view, len - 1, bytes, 2));
    TRUE(strstr(a0rs_error_message(), "the payload has 2000 bytes, not 2 from byte 1999 on"));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_view_copy(view, SIZE_MAX, bytes, 4));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_view_copy(view, 0, NULL, 1));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_view_copy(view, 0, bytes, SIZE_MAX));
    TRUE(strcmp(bytes, "bcd") == 0);

    a0rs_message other;
    EXPECT(A0RS_ERROR_BUSY, a0rs_subscriber_sync_read(looking->subscriber, &other));
    TRUE(a0rs_view_is_intact(view));
    static char large[2000];
    for (int i = 0; i < looking->publish; i++) OK(a0rs_publish(looking->publisher, large, sizeof large, NULL));
    TRUE(a0rs_view_is_intact(view) == (looking->publish == 0));
}

static void unlocked(void) {
    struct looking looking = {0};
    a0rs_reader_options options = {.file.size = SIZE};
    OK(a0rs_subscriber_sync_create("view", &options, &looking.subscriber));
    OK(a0rs_publisher_create("view", NULL, &looking.publisher));
    a0rs_subscriber_sync *subscriber = looking.subscriber;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_in_place(NULL, look, &looking));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_in_place(subscriber, NULL, &looking));
    EXPECT(A0RS_AGAIN, a0rs_subscriber_sync_read_in_place(subscriber, look, &looking));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_in_place_blocking(NULL, 1, look, &looking));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_read_in_place_blocking(subscriber, 1, NULL, &looking));
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_subscriber_sync_read_in_place_blocking(subscriber, 1, look, &looking));
    TRUE(looking.looks == 0);

    char payload[2000];
    for (size_t i = 0; i < sizeof payload; i++) payload[i] = (char)('a' + i % 26);
    a0rs_header header = {"key", "value"};
    for (int i = 0; i < 3; i++) OK(a0rs_publish_with(looking.publisher, &header, 1, payload, sizeof payload, NULL));
    OK(a0rs_subscriber_sync_read_in_place(subscriber, look, &looking));
    TRUE(looking.looks == 1 && looking.seq == 1 && looking.missed == 0 && looking.last == payload[1999]);
    OK(a0rs_subscriber_sync_read_in_place_blocking(subscriber, -1, look, &looking));
    TRUE(looking.looks == 2 && looking.seq == 2);

    // Overwritten meanwhile: passed, and not counted as missed.
    looking.publish = 20;
    EXPECT(A0RS_ERROR_OVERWRITTEN, a0rs_subscriber_sync_read_in_place(subscriber, look, &looking));
    TRUE(looking.seq == 3 && strstr(a0rs_error_message(), "view.pubsub.a0: message 3 was overwritten"));
    a0rs_message message;
    OK(a0rs_subscriber_sync_read(subscriber, &message));
    TRUE(message.seq == message.missed + 4);

    OK(a0rs_subscriber_sync_interrupt(subscriber));
    while (a0rs_subscriber_sync_read(subscriber, &message) == A0RS_OK) continue;
    EXPECT(A0RS_ERROR_INTERRUPTED, a0rs_subscriber_sync_read_in_place_blocking(subscriber, -1, look, &looking));
    TRUE(a0rs_view_head(NULL) == NULL && a0rs_view_len(NULL) == 0 && !a0rs_view_is_intact(NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_view_copy(NULL, 0, payload, 1));
    a0rs_publisher_destroy(looking.publisher);
    a0rs_subscriber_sync_destroy(subscriber);
}

struct locked {
    a0rs_publisher *publisher;
    a0rs_subscriber_sync_zero_copy *sync;
    a0rs_subscriber_zero_copy *threaded;
    struct seen seen;
};

static void locked(void *user, const a0rs_message *message) {
    struct locked *locked = user;
    TRUE(is(message->packet.payload, "seen"));
    TRUE(strcmp(a0rs_packet_header(&message->packet, "key"), "value") == 0);
    EXPECT(A0RS_ERROR_LOCK, a0rs_publish(locked->publisher, "x", 1, NULL));
    if (locked->sync) EXPECT(A0RS_ERROR_BUSY, a0rs_subscriber_sync_zero_copy_read(locked->sync, NULL, NULL));
    pthread_mutex_lock(&locked->seen.mutex);
    int calls = ++locked->seen.calls;
    pthread_mutex_unlock(&locked->seen.mutex);
    TRUE(message->seq == (uint64_t)(calls > 2 ? calls - 2 : calls) && message->missed == 0);
    if (calls == 5) a0rs_subscriber_zero_copy_destroy(locked->threaded); // The last call.
}

static void freed_locked(void *user) {
    struct locked *locked = user;
    freed(&locked->seen);
}

static void under_the_lock(void) {
    struct locked all = {.seen = fresh()};
    a0rs_subscriber_sync_zero_copy *sync = (a0rs_subscriber_sync_zero_copy *)&all;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_zero_copy_create(NULL, NULL, &sync));
    TRUE(sync == NULL);
    EXPECT(A0RS_ERROR_NAME, a0rs_subscriber_sync_zero_copy_create("/t", NULL, &sync));
    OK(a0rs_subscriber_sync_zero_copy_create("locked", NULL, &sync));
    OK(a0rs_publisher_create("locked", NULL, &all.publisher));
    all.sync = sync;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_zero_copy_read(NULL, locked, &all));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_zero_copy_read(sync, NULL, &all));
    EXPECT(A0RS_AGAIN, a0rs_subscriber_sync_zero_copy_read(sync, locked, &all));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_zero_copy_read_blocking(NULL, 1, locked, &all));
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_subscriber_sync_zero_copy_read_blocking(sync, 1, locked, &all));

    a0rs_header header = {"key", "value"};
    for (int i = 0; i < 4; i++) OK(a0rs_publish_with(all.publisher, &header, 1, "seen", 4, NULL));
    OK(a0rs_subscriber_sync_zero_copy_read(sync, locked, &all));
    OK(a0rs_subscriber_sync_zero_copy_read_blocking(sync, -1, locked, &all));
    TRUE(all.seen.calls == 2);
    all.sync = NULL;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_subscriber_sync_zero_copy_interrupt(NULL));
    a0rs_subscriber_sync_zero_copy_destroy(sync);
    a0rs_subscriber_sync_zero_copy_destroy(NULL);

    a0rs_reader_options options = {.init = A0RS_INIT_OLDEST, .file.access = A0RS_ACCESS_READ_ONLY};
    OK(a0rs_subscriber_sync_zero_copy_create("locked", &options, &sync));
    EXPECT(A0RS_ERROR_READ_ONLY, a0rs_subscriber_sync_zero_copy_read(sync, locked, &all));
    a0rs_subscriber_sync_zero_copy_destroy(sync);

    OK(a0rs_subscriber_sync_zero_copy_create("locked", NULL, &sync));
    OK(a0rs_subscriber_sync_zero_copy_interrupt(sync));
    EXPECT(A0RS_ERROR_INTERRUPTED, a0rs_subscriber_sync_zero_copy_read_blocking(sync, -1, locked, &all));
    a0rs_subscriber_sync_zero_copy_destroy(sync);

    options = (a0rs_reader_options){.init = A0RS_INIT_OLDEST};
    EXPECT(A0RS_ERROR_ARGUMENT,
           a0rs_subscriber_zero_copy_create("locked", &options, NULL, &all, freed_locked, &all.threaded));
    EXPECT(A0RS_ERROR_NAME, a0rs_subscriber_zero_copy_create("", &options, locked, &all, freed_locked, &all.threaded));
    TRUE(all.seen.freed == 2 && a0rs_subscriber_zero_copy_skipped(NULL) == 0);
    pthread_mutex_lock(&all.seen.mutex);
    OK(a0rs_subscriber_zero_copy_create("locked", &options, locked, &all, freed_locked, &all.threaded));
    TRUE(a0rs_subscriber_zero_copy_skipped(all.threaded) == 0);
    pthread_mutex_unlock(&all.seen.mutex);
    await(&all.seen, &all.seen.freed, 3);
    TRUE(all.seen.calls == 5);
    a0rs_subscriber_zero_copy_destroy(NULL);
    a0rs_publisher_destroy(all.publisher);
}

int main(void) {
    batches();
    unlocked();
    under_the_lock();
    return 0;
}
