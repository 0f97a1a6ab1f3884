// Package bulkdata has the cases of chapter 10: Bulk Data Collection.
package bulkdata

import "github.com/usptest/usptest/harness"

// Bodies are the cases of chapter 10 by id.
func Bodies() harness.Bodies {
	return harness.Bodies{
		"10.1":  encoded("JSON", overHTTP),
		"10.2":  encoded("JSON", overHTTPS),
		"10.3":  encoded("CSV", overHTTP),
		"10.4":  encoded("CSV", overHTTPS),
		"10.5":  uriParameters(overHTTP),
		"10.6":  uriParameters(overHTTPS),
		"10.7":  retried,
		"10.8":  collected(bootParameters),
		"10.9":  collected(ownController),
		"10.10": pushes(upTimeAlone),
		"10.11": pushes(bootParameters),
		"10.12": pushes(allControllers),
		"10.13": publishes,
	}
}
