// Configuration, log messages, deadmen, discovery: what they do, and what they refuse.

#include "seen.h"

static void configured(void *user, const a0rs_message *message) {
    struct seen *seen = user;
    if (is(message->packet.payload, "{\"speed\":2,\"on\":false}")) add(seen, &seen->calls);
}

static void cfg(void) {
    struct seen seen = fresh();
    a0rs_cfg *cfg;
    a0rs_cfg_watcher *watcher;
    a0rs_owned_packet *packet;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_cfg_create(NULL, NULL, &cfg));
    OK(a0rs_cfg_create("robot", NULL, &cfg));
    EXPECT(A0RS_AGAIN, a0rs_cfg_read(cfg, &packet));
    TRUE(packet == NULL);
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_cfg_read_blocking(cfg, 1, &packet));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_cfg_watcher_create(NULL, configured, &seen, freed, &watcher));
    OK(a0rs_cfg_watcher_create(cfg, configured, &seen, freed, &watcher));

    bool written;
    const char *first = "{\"speed\":1,\"on\":false}", *patch = "{\"speed\":2}";
    OK(a0rs_cfg_write_if_empty(cfg, first, strlen(first), &written));
    TRUE(written);
    OK(a0rs_cfg_write_if_empty(cfg, "x", 1, &written));
    TRUE(!written);
    EXPECT(A0RS_ERROR_CONFIG, a0rs_cfg_merge_patch(cfg, "{", 1, NULL));
    TRUE(strstr(a0rs_error_message(), "robot.cfg.a0: the patch is not valid JSON"));
    a0rs_published published;
    OK(a0rs_cfg_merge_patch(cfg, patch, strlen(patch), &published));
    TRUE(published.seq == 2);
    OK(a0rs_cfg_read(cfg, &packet));
    TRUE(is(a0rs_owned_packet_view(packet)->payload, "{\"speed\":2,\"on\":false}"));
    a0rs_owned_packet_destroy(packet);
    await(&seen, &seen.calls, 1);
    a0rs_cfg_watcher_destroy(watcher);
    TRUE(seen.freed == 2);

    a0rs_header header = {"by", "me"};
    OK(a0rs_cfg_write(cfg, &header, 1, "5", 1, NULL));
    OK(a0rs_cfg_read_blocking(cfg, -1, &packet));
    TRUE(strcmp(a0rs_packet_header(a0rs_owned_packet_view(packet), "by"), "me") == 0);
    a0rs_owned_packet_destroy(packet);
    a0rs_cfg_destroy(cfg);
    a0rs_cfg_destroy(NULL);
    a0rs_cfg_watcher_destroy(NULL);
}

static void logged(void *user, uint32_t level, const a0rs_message *message) {
    struct seen *seen = user;
    TRUE(level == (seen->calls == 0 ? A0RS_LEVEL_CRIT : A0RS_LEVEL_WARN));
    TRUE(is(message->packet.payload, seen->calls == 0 ? "crit" : "warn"));
    TRUE(strcmp(a0rs_packet_header(&message->packet, "a0_log_level"), seen->calls == 0 ? "CRIT" : "WARN") == 0);
    add(seen, &seen->calls);
}

static void logs(void) {
    struct seen seen = fresh();
    a0rs_logger *logger;
    a0rs_log_listener *listener;
    OK(a0rs_logger_create("robot", NULL, &logger));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_logger_log(logger, 6, NULL, 0, "x", 1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_log_listener_create("robot", 6, NULL, logged, &seen, freed, &listener));
    OK(a0rs_log_listener_create("robot", A0RS_LEVEL_WARN, NULL, logged, &seen, freed, &listener));
    OK(a0rs_logger_log(logger, A0RS_LEVEL_CRIT, NULL, 0, "crit", 4, NULL));
    OK(a0rs_logger_log(logger, A0RS_LEVEL_INFO, NULL, 0, "info", 4, NULL));
    OK(a0rs_logger_log(logger, A0RS_LEVEL_WARN, NULL, 0, "warn", 4, NULL));
    await(&seen, &seen.calls, 2);
    a0rs_log_listener_destroy(listener);
    TRUE(seen.freed == 2 && seen.calls == 2);
    a0rs_logger_destroy(logger);
    a0rs_logger_destroy(NULL);
    a0rs_log_listener_destroy(NULL);
}

static void *releases(void *deadman) {
    OK(a0rs_deadman_release(deadman));
    return NULL;
}

static void deadmen(void) {
    a0rs_deadman *mine, *other;
    OK(a0rs_deadman_create("robot", NULL, &mine));
    OK(a0rs_deadman_create("robot", NULL, &other));
    EXPECT(A0RS_ERROR_NOT_OWNER, a0rs_deadman_release(mine));
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_deadman_wait_taken(other, 1, NULL));
    a0rs_taken taken;
    OK(a0rs_deadman_try_take(mine, &taken));
    TRUE(taken.token == 1 && !taken.previous_owner_died);
    EXPECT(A0RS_AGAIN, a0rs_deadman_try_take(other, NULL));
    uint64_t token;
    OK(a0rs_deadman_wait_taken(other, -1, &token));
    TRUE(token == 1);
    EXPECT(A0RS_ERROR_TIMEOUT, a0rs_deadman_wait_released(other, token, 1));
    a0rs_deadman_state state;
    OK(a0rs_deadman_look(mine, &state));
    TRUE(state.taken && state.is_owner && state.owner != 0 && state.token == 1);
    OK(a0rs_deadman_look(other, &state));
    TRUE(state.taken && !state.is_owner && !state.owner_died);

    pthread_t thread;
    TRUE(pthread_create(&thread, NULL, releases, mine) == 0);
    OK(a0rs_deadman_take(other, -1, &taken));
    pthread_join(thread, NULL);
    TRUE(taken.token == 2);
    OK(a0rs_deadman_wait_released(mine, token, 0));
    OK(a0rs_deadman_interrupt(mine));
    EXPECT(A0RS_ERROR_INTERRUPTED, a0rs_deadman_take(mine, -1, NULL));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_deadman_take(NULL, -1, NULL));
    a0rs_deadman_destroy(mine);
    a0rs_deadman_destroy(other);
    a0rs_deadman_destroy(NULL);
}

static void discovered(void *user, const a0rs_discovered *topic) {
    struct seen *seen = user;
    TRUE(topic->protocol == A0RS_PROTOCOL_PUBSUB && strcmp(topic->topic, "found/it") == 0);
    strncpy(seen->last, topic->path, sizeof seen->last - 1);
    add(seen, topic->found ? &seen->found : &seen->removed);
}

static void discovery(void) {
    struct seen seen = fresh();
    a0rs_discovery *discovery;
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_discovery_create(0, "**", discovered, &seen, freed, &discovery));
    EXPECT(A0RS_ERROR_ARGUMENT, a0rs_discovery_create(64, "**", discovered, &seen, freed, &discovery));
    EXPECT(A0RS_ERROR_NAME, a0rs_discovery_create(A0RS_PROTOCOL_ALL, "", discovered, &seen, freed, &discovery));
    uint32_t wanted = A0RS_PROTOCOL_PUBSUB | A0RS_PROTOCOL_RPC;
    OK(a0rs_discovery_create(wanted, "found/**", discovered, &seen, freed, &discovery));
    a0rs_publisher *publisher;
    OK(a0rs_publisher_create("found/it", NULL, &publisher));
    await(&seen, &seen.found, 1);
    TRUE(strstr(seen.last, "/found/it.pubsub.a0"));
    TRUE(unlink(seen.last) == 0);
    await(&seen, &seen.removed, 1);
    a0rs_discovery_destroy(discovery);
    TRUE(seen.freed == 4);
    a0rs_publisher_destroy(publisher);
    a0rs_discovery_destroy(NULL);
}

int main(void) {
    cfg();
    logs();
    deadmen();
    discovery();
    return 0;
}
