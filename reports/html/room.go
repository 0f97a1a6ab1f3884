package html

import (
	"slices"
	"sort"

	"github.com/usptest/usptest/harness/result"
)

// slot is the place of one case in the file.
type slot struct {
	link, place int
	weight      int
	first       int // the fullest level of detail that it may have
	c           result.Case
	sizes       [len(details)]int // about what it takes at each level, in bytes; the last is exact
}

// least is what the case takes at the least, in bytes.
func (s *slot) least() int { return s.sizes[len(details)-1] }

// cases renders every case that was begun, link by link in the order of the run. The room is shared out: what did not pass first, and so
// that what is short leaves its share to what is long. Each leaves at least the least that the others need.
func (r *renderer) cases(room int) ([][][]byte, error) {
	out := make([][][]byte, len(r.run.Links))
	var slots []slot
	reserved := 0 // for the least of those that are still to come
	for l, link := range r.run.Links {
		for _, c := range link.Cases {
			if !begun(c) {
				continue
			}
			s := slot{link: l, place: len(out[l]), weight: 1, c: c}
			if c.Verdict != result.Pass {
				s.weight = faultShare
			}
			all := r.whole(c)
			least, err := r.text(l, all, len(details)-1)
			if err != nil {
				return nil, err
			}
			proofs := proofs(all)
			for level, d := range details {
				s.sizes[level] = len(least) + estimate(all.Timeline, proofs, d)
			}
			reserved += s.least()
			slots, out[l] = append(slots, s), append(out[l], nil)
		}
	}
	slices.SortStableFunc(slots, func(a, b slot) int { return b.weight - a.weight })
	// every Message of what passed is better than the bytes of some
	if total(slots, room) > room {
		for i := range slots {
			if slots[i].weight == 1 {
				slots[i].first = firstWithoutHex
			}
		}
	}
	for i, s := range slots {
		reserved -= s.least()
		text, err := r.fit(s, min(share(slots[i:], room)*s.weight, room-reserved))
		if err != nil {
			return nil, err
		}
		out[s.link][s.place] = text
		room -= len(text)
	}
	return out, nil
}

// share is how much room there is for a case of weight 1.
func share(slots []slot, room int) int {
	return sort.Search(room, func(share int) bool { return total(slots, share+1) > room })
}

// total is about how much all cases take when one of weight 1 may take so much.
func total(slots []slot, share int) (sum int) {
	for i := range slots {
		s := &slots[i]
		sum += s.sizes[s.level(share*s.weight)]
	}
	return sum
}

// level is the fullest level of detail that seems to fit into this many bytes, or the least.
func (s *slot) level(room int) int {
	for level := s.first; level < len(details); level++ {
		if s.sizes[level] <= room {
			return level
		}
	}
	return len(details) - 1
}

// estimate says about how much the events of a case take, in bytes.
func estimate(events []result.Event, proofs map[uint64][]proof, d detail) (size int) {
	const (
		row   = 120
		line  = 140 // of the chart
		cutBy = 60  // to say that something was cut
	)
	shown := 0
	for _, e := range events {
		if shown == d.rows {
			break
		}
		beneath := isRecord(e) || isVehicle(e)
		if size += row; !beneath || d.parts {
			decoded := d.others
			if proofs[e.Seq] != nil {
				decoded = d.decoded
			}
			if len(e.Decoded) > decoded && decoded > 0 {
				size += cutBy
			}
			size += min(len(e.Text), d.value) + min(len(e.Decoded), decoded)
			size += min(len(e.Raw), d.raw) * 5
		}
		if !beneath {
			shown++
		}
	}
	return size + line*min(shown, d.chart)
}
