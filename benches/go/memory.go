// What the kernel says of this process' memory.
package main

import (
	"os"
	"strconv"
	"strings"
)

// What /proc has under a name such as "VmRSS:".
func memoryKiB(name string) int64 {
	status, _ := os.ReadFile("/proc/self/status")
	for line := range strings.Lines(string(status)) {
		if rest, ok := strings.CutPrefix(line, name); ok {
			kib, _ := strconv.ParseInt(strings.Fields(rest)[0], 10, 64)
			return kib
		}
	}
	panic("/proc/self/status has no " + name)
}
