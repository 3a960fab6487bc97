// A program that does a known amount of work when it is told to: counters are judged by it. Reads lines such as
// `syscalls 100000` from stdin, does it, answers `done`.
//
//   syscalls N   N system calls (getppid, which does nothing)
//   faults N     N pages touched for the first time
//   sleeps N     N times given up the processor until a timer rings
//   threads N    N system calls in a thread that is started for it

#define _GNU_SOURCE
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <time.h>
#include <unistd.h>

static void *calls(void *count) {
  for (long i = 0; i < *(long *)count; i++) syscall(SYS_getppid);
  return NULL;
}

int main(void) {
  char line[128], what[32];
  long count;
  long page = sysconf(_SC_PAGESIZE);
  setvbuf(stdout, NULL, _IONBF, 0);
  write(1, "ready\n", 6);
  while (fgets(line, sizeof line, stdin)) {
    if (sscanf(line, "%31s %ld", what, &count) != 2) return 2;
    if (!strcmp(what, "syscalls")) calls(&count);
    if (!strcmp(what, "faults")) {
      char *memory = mmap(NULL, count * page, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
      madvise(memory, count * page, MADV_NOHUGEPAGE);
      for (long i = 0; i < count; i++) memory[i * page] = 1;
      munmap(memory, count * page);
    }
    if (!strcmp(what, "sleeps")) {
      struct timespec pause = {0, 50000};
      for (long i = 0; i < count; i++) nanosleep(&pause, NULL);
    }
    if (!strcmp(what, "threads")) {
      pthread_t thread;
      pthread_create(&thread, NULL, calls, &count);
      pthread_join(thread, NULL);
    }
    write(1, "done\n", 5);
  }
  return 0;
}
