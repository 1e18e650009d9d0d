// What do a stop and a reset of one timer cost, while 10,000 others are pending? All times are random, 10 s to 100 s
// ahead, so none comes. First all timers have a channel, then a function. (Go keeps the former in no heap while nobody
// waits for them.)
package main

import (
	"fmt"
	"os"
	"strconv"
	"time"
)

var randomState = uint64(1)

func randomNs() time.Duration {
	randomState = randomState*6364136223846793005 + 1442695040888963407
	return 10000000000 + time.Duration(randomState>>27%90000000000)
}

func nothing() {}

func newTimer(withChan bool) *time.Timer {
	if withChan {
		return time.NewTimer(randomNs())
	}
	return time.AfterFunc(randomNs(), nothing)
}

func measure(name string, size int, withChan bool) {
	var others [10000]*time.Timer
	for i := range others {
		others[i] = newTimer(withChan)
	}
	timer := newTimer(withChan)
	stopped := 0
	start := time.Now()
	for range size {
		if timer.Stop() {
			stopped++
		}
		timer.Reset(randomNs())
	}
	fmt.Printf("%s %.3f ns\n", name, float64(time.Since(start))/float64(size))
	if stopped != size {
		panic("stopped")
	}
	timer.Stop()
	for _, other := range others {
		other.Stop()
	}
}

func main() {
	size := 5000000
	if len(os.Args) > 1 {
		size, _ = strconv.Atoi(os.Args[1])
	}
	measure("timer_chan", size, true)
	measure("timer_func", size, false)
}
