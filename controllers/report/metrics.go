package report

import "time"

// MetricsTimeout bounds the listing of objects for one scrape. It reads the cache.
const MetricsTimeout = 5 * time.Second
