// What callbacks of the test programs have seen, and waiting for it.

#include "programs.h"
#include <pthread.h>

struct seen {
    pthread_mutex_t mutex;
    pthread_cond_t changed;
    // Calls of this kind.
    int calls, cancelled, done, found, freed, removed;
    a0rs_error error;
    // An id, a payload or a path.
    char last[256];
};

static inline struct seen fresh(void) {
    struct seen seen = {.mutex = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};
    return seen;
}

static inline void add(struct seen *seen, int *what) {
    pthread_mutex_lock(&seen->mutex);
    ++*what;
    pthread_cond_broadcast(&seen->changed);
    pthread_mutex_unlock(&seen->mutex);
}

// Waits for so many and no more.
static inline void await(struct seen *seen, const int *what, int count) {
    pthread_mutex_lock(&seen->mutex);
    while (*what < count) pthread_cond_wait(&seen->changed, &seen->mutex);
    TRUE(*what == count);
    pthread_mutex_unlock(&seen->mutex);
}

// For the end of what a callback is given.
static inline void freed(void *user) {
    struct seen *seen = user;
    add(seen, &seen->freed);
}
