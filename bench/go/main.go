// The workloads over goroutines, which speak the protocol at the head of bench/driver.py. Sizes and
// answers are those of bench/workloads.hpp. The loops are those of Go's testing package, which
// collects garbage before each.
package main

import (
	"encoding/json"
	"flag"
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"testing"
)

// What a run gives: the value of each of its figures.
type figures map[string]float64

type workload struct {
	name     string
	units    map[string]string
	carriers []int
	note     string
	run      func() figures
}

var (
	one = []int{1}
	two = []int{1, 2}
)

// A workload of one figure: what the loop takes for one of its operations, in ns or ms.
func timed(name, unit string, carriers []int, operations float64, loop func(b *testing.B)) workload {
	scale := map[string]float64{"ns": 1, "ms": 1e-6}[unit]
	return workload{name, map[string]string{name: unit}, carriers, "", func() figures {
		result := testing.Benchmark(loop)
		spent := float64(result.T.Nanoseconds())
		return figures{name: spent * scale / (float64(result.N) * operations)}
	}}
}

func (w workload) noted(note string) workload {
	w.note = note
	return w
}

var workloads = []workload{
	timed("spawn_join", "ns", two, 1, spawnJoin),
	timed("spawn_many", "ns", two, million, spawnMany).noted("1,000,000 goroutines"),
	timed("yield", "ns", one, yields, yield).noted("runtime.Gosched"),
	timed("pingpong", "ns", two, 1, pingpong).noted("two values over two unbuffered channels"),
	timed("channel_1x1", "ns", two, messages, throughChannel(1, 1)),
	timed("channel_4x4", "ns", two, messages, throughChannel(4, 4)),
	timed("select_4", "ns", two, selects, selectOfFour),
	timed("skynet", "ms", two, 1, skynet).noted("1,111,111 goroutines, joined by WaitGroup"),
	timed("skynet_channel", "ms", two, 1, skynetChannel).noted(
		"1,111,111 goroutines, an unbuffered channel a node"),
	timed("mutex_8", "ns", two, increments, mutexOfEight).noted("sync.Mutex"),
	timed("fib_spawn", "ns", two, fibTasks, fibSpawn).noted("fib(24), a goroutine a call"),
	{"timers", lateness("timers"), two, "", func() figures {
		return sleepers("timers", 10_000, 20)
	}},
	{"timers_storm", lateness("timers_storm"), two, "", func() figures {
		return sleepers("timers_storm", 100_000, 1)
	}},
	{"memory", map[string]string{"memory": "bytes", "memory_with_tables": "bytes"}, one,
		"100,000 parked goroutines", func() figures { return memory("memory", parked) }},
	{"memory_1m", map[string]string{"memory_1m": "bytes", "memory_1m_with_tables": "bytes"}, one,
		"1,000,000 parked goroutines", func() figures { return memory("memory_1m", million) }},
	{"idle", map[string]string{"idle": "ms"}, two,
		"processor time of one second with 100,000 parked goroutines", idle},
}

func giveUp(format string, arguments ...any) {
	fmt.Fprintf(os.Stderr, format+"\n", arguments...)
	os.Exit(1)
}

func expect(what string, got, wanted uint64) {
	if got != wanted {
		giveUp("wrong answer: %s is %d, must be %d", what, got, wanted)
	}
}

func say(line any) {
	if err := json.NewEncoder(os.Stdout).Encode(line); err != nil {
		giveUp("cannot print: %v", err)
	}
}

func list() {
	for _, w := range workloads {
		say(map[string]any{
			"workload": w.name, "figures": w.units, "carriers": w.carriers, "note": w.note})
	}
}

func run(name, carriers, seconds string, more []string) {
	count, err := strconv.Atoi(carriers)
	if err != nil {
		giveUp("%s: not a number of carriers", carriers)
	}
	cpus := count
	for _, word := range more {
		if strings.HasPrefix(word, "cpus=") {
			if cpus, err = strconv.Atoi(strings.TrimPrefix(word, "cpus=")); err != nil {
				giveUp("%s: not a number of CPUs", word)
			}
		}
	}
	if !pin(cpus) {
		say(map[string]string{"skip": fmt.Sprintf("needs %d CPUs", cpus)})
		return
	}
	runtime.GOMAXPROCS(count)
	testing.Init()
	if err := flag.Set("test.benchtime", seconds+"s"); err != nil {
		giveUp("%s: not a time: %v", seconds, err)
	}
	for _, w := range workloads {
		if w.name == name {
			say(w.run())
			return
		}
	}
	giveUp("no workload is called %s", name)
}

func main() {
	switch words := os.Args[1:]; {
	case len(words) == 1 && words[0] == "list":
		list()
	case len(words) >= 4 && words[0] == "run":
		run(words[1], words[2], words[3], words[4:])
	default:
		giveUp("usage: %s list | run WORKLOAD CARRIERS SECONDS [cpus=N]", os.Args[0])
	}
}
