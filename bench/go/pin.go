package main

import (
	"os"
	"runtime"
	"syscall"
	"unsafe"
)

// As the kernel's cpu_set_t.
type cpuSet [1024 / 64]uint64

func affinity(call uintptr, set *cpuSet) bool {
	_, _, errno := syscall.RawSyscall(call, 0, unsafe.Sizeof(*set), uintptr(unsafe.Pointer(set)))
	return errno == 0
}

// Pins the process to the first CPUs it may use; false when there are too few. The Go runtime has
// started threads by now, so the pinned thread executes the program anew.
func pin(cpus int) bool {
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	var allowed, chosen cpuSet
	if !affinity(syscall.SYS_SCHED_GETAFFINITY, &allowed) {
		return false
	}
	count, more := 0, false
	for cpu := 0; cpu < 64*len(allowed); cpu++ {
		word, bit := cpu/64, uint64(1)<<(cpu%64)
		if allowed[word]&bit == 0 {
			continue
		}
		if count == cpus {
			more = true
			break
		}
		chosen[word] |= bit
		count++
	}
	if count < cpus || !more {
		return count == cpus
	}
	if !affinity(syscall.SYS_SCHED_SETAFFINITY, &chosen) {
		return false
	}
	err := syscall.Exec("/proc/self/exe", os.Args, os.Environ())
	giveUp("cannot execute the program pinned: %v", err)
	return false
}
