package main

import (
	"fmt"
	"os"
	"runtime"
	"sort"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"time"
)

const parked = 100_000

// The processor time this process used so far, in milliseconds.
func cpuMilliseconds() float64 {
	var usage syscall.Rusage
	if err := syscall.Getrusage(syscall.RUSAGE_SELF, &usage); err != nil {
		giveUp("getrusage: %v", err)
	}
	return float64(usage.Utime.Nano()+usage.Stime.Nano()) / 1e6
}

// As sleep_time in bench/workloads.hpp.
func sleepTime(number uint64) time.Duration {
	x := (number + 1) * 0x9e3779b97f4a7c15
	x = (x ^ (x >> 30)) * 0xbf58476d1ce4e5b9
	x = (x ^ (x >> 27)) * 0x94d049bb133111eb
	return time.Duration(1_000_000 + (x^(x>>31))%99_000_001)
}

// As set_lateness in bench/harness.cpp.
var percentiles = map[string]int{"_p50": 500, "_p90": 900, "_p99": 990, "_p999": 999}

// The figures of a workload of sleepers, with their units.
func lateness(name string) map[string]string {
	units := map[string]string{name: "ms"}
	for suffix := range percentiles {
		units[name+suffix] = "ms"
	}
	return units
}

func sleepers(name string, goroutines, sleeps int) figures {
	late := make([]time.Duration, goroutines*sleeps)
	for i := range late {
		late[i] = -1 // and its page is there
	}
	runtime.GC()
	before := cpuMilliseconds()
	var all sync.WaitGroup
	all.Add(goroutines)
	for i := 0; i < goroutines; i++ {
		first := i * sleeps
		go func() {
			for n := first; n < first+sleeps; n++ {
				patience := sleepTime(uint64(n))
				start := time.Now()
				time.Sleep(patience)
				late[n] = time.Since(start) - patience
			}
			all.Done()
		}()
	}
	all.Wait()
	spent := cpuMilliseconds() - before
	sort.Slice(late, func(i, j int) bool { return late[i] < late[j] })
	if late[0] < 0 {
		giveUp("wrong answer: a sleeper woke %v early", -late[0])
	}
	found := figures{name: spent}
	for suffix, thousandths := range percentiles {
		found[name+suffix] = float64(late[len(late)*thousandths/1000].Nanoseconds()) / 1e6
	}
	return found
}

// The number after a word in one of the kernel's files, in bytes.
func kernelBytes(path, word string) float64 {
	text, err := os.ReadFile(path)
	if err != nil {
		giveUp("%v", err)
	}
	_, after, _ := strings.Cut(string(text), word)
	var kibibytes float64
	if _, err := fmt.Sscan(after, &kibibytes); err != nil {
		giveUp("cannot read %s from %s: %v", word, path, err)
	}
	return kibibytes * 1024
}

func resident() float64 { return kernelBytes("/proc/self/smaps_rollup", "Rss:") }
func tables() float64   { return kernelBytes("/proc/self/status", "VmPTE:") }

// Parks goroutines on a channel until the function returned is called.
func park(count int) func() {
	release := make(chan bool)
	var arrived int64
	var ended sync.WaitGroup
	ended.Add(count)
	for i := 0; i < count; i++ {
		go func() {
			atomic.AddInt64(&arrived, 1)
			<-release
			ended.Done()
		}()
	}
	for atomic.LoadInt64(&arrived) != int64(count) {
		runtime.Gosched()
	}
	return func() {
		close(release)
		ended.Wait()
	}
}

func memory(name string, count int) figures {
	runtime.GC()
	residentBefore, tablesBefore := resident(), tables()
	release := park(count)
	each := (resident() - residentBefore) / float64(count)
	eachTables := (tables() - tablesBefore) / float64(count)
	release()
	return figures{name: each, name + "_with_tables": each + eachTables}
}

func idle() figures {
	release := park(parked)
	runtime.GC()
	before := cpuMilliseconds()
	time.Sleep(time.Second)
	spent := cpuMilliseconds() - before
	release()
	return figures{"idle": spent}
}
