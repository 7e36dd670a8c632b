package shell

import (
	"fmt"
	"slices"
	"strings"
)

// tailLines is how much of a failed command's output its error shows: enough for the reason, not a log. A job's report
// (onhost/undercloud/job.py), which has chosen its lines, goes in whole.
const tailLines = 40

// Failure describes a command that did not succeed: why, the command's first line, the last lines of its stderr (of
// its stdout where it said nothing there), stdin blanked out.
//
// The text ends up in logs and pull requests. Upstream shows the whole command and all its output there.
func Failure(why error, command, stdin, stdout, stderr string) error {
	from, text := "stderr", strings.TrimSpace(stderr)
	if text == "" {
		from, text = "stdout", strings.TrimSpace(stdout)
	}
	if text == "" {
		return fmt.Errorf("%q: %w (it printed nothing)", firstLine(command), why)
	}
	return fmt.Errorf("%q: %w; last lines of its %s:\n%s", firstLine(command), why, from, blank(tail(text), secretLines(stdin)))
}

func firstLine(command string) string {
	line, rest, _ := strings.Cut(strings.TrimSpace(command), "\n")
	if rest != "" {
		line += " …"
	}
	return line
}

func tail(text string) string {
	lines := strings.Split(text, "\n")
	if len(lines) > tailLines {
		lines = lines[len(lines)-tailLines:]
	}
	return strings.Join(lines, "\n")
}

// blank replaces the lines of stdin, which is the way of secrets, in what a command echoes of it; the longest first,
// as they may contain the shorter ones. Those below four bytes ("}", "yes") are no secrets and would only garble it.
func blank(text string, lines []string) string {
	for _, line := range lines {
		text = strings.ReplaceAll(text, line, "[stdin]")
	}
	return text
}

func secretLines(stdin string) (lines []string) {
	const shortest = 4
	for _, line := range strings.Split(stdin, "\n") {
		if line = strings.TrimSpace(line); len(line) >= shortest {
			lines = append(lines, line)
		}
	}
	slices.SortFunc(lines, func(a, b string) int { return len(b) - len(a) })
	return slices.Compact(lines)
}
