// What the system's unwinder (libgcc_eh, built for glibc) asks of its libc and musl does not have.
//
// Where the frames of a loaded object are described. Only static programs are made here, whose
// frames crtbeginT.o registers with the unwinder before main, so there is no other object to find.
int _dl_find_object(void* address, void* found);

int _dl_find_object(void* address, void* found) {
  (void)address;
  (void)found;
  return -1;
}
