package metering

// Package is what a package of use holds, and how it is looked at.
type Package struct {
	// Size is what one piece of the quantity holds.
	Size Amount
	// Quantity is how many were bought.
	Quantity int32
	// WarnAtPercent are the percentages at which people are warned.
	WarnAtPercent []int32
}

// Holds is the whole of the package; 0 when that is not known.
func (p Package) Holds() Amount { return p.Size.Times(p.Quantity) }

// Passed is the highest percentage of WarnAtPercent that is used; 0 when none is.
func (p Package) Passed(used Amount) int32 {
	holds, passed := p.Holds(), int32(0)
	for _, percent := range p.WarnAtPercent {
		if holds > 0 && percent > passed && float64(used)*100 >= float64(holds)*float64(percent) {
			passed = percent
		}
	}
	return passed
}

// UsedUp says whether nothing is left. A package of which nobody knows how much it holds is never used up.
func (p Package) UsedUp(used Amount) bool { return p.Holds() > 0 && used >= p.Holds() }
