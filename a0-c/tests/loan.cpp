// A loan that is destroyed in another thread than its own: it says so, names the topic, and ends the program, so that others
// go on.

#undef NDEBUG
#include <a0rs.hpp>
#include <cassert>
#include <csignal>
#include <optional>
#include <sys/resource.h>
#include <sys/wait.h>
#include <thread>
#include <unistd.h>

int main() {
    int said[2];
    assert(pipe(said) == 0);
    pid_t child = fork();
    assert(child >= 0);
    if (child == 0) {
        const rlimit no_core = {};
        assert(setrlimit(RLIMIT_CORE, &no_core) == 0 && dup2(said[1], STDERR_FILENO) == STDERR_FILENO);
        a0rs::Publisher publisher("lent/topic");
        std::optional<a0rs::Loan> loan(publisher.loan(8));
        std::thread([&] { loan.reset(); }).join();
        _exit(0); // As if nothing had happened.
    }
    close(said[1]);
    std::string text;
    for (char byte; read(said[0], &byte, 1) == 1;) text += byte;
    int status;
    assert(waitpid(child, &status, 0) == child && WIFSIGNALED(status) && WTERMSIG(status) == SIGABRT);
    assert(text.find("another thread") != text.npos && text.find("lent/topic") != text.npos);
    assert(a0rs::Publisher("lent/topic").publish("next").seq == 1);
}
