package differential

import (
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"
)

// places makes places and searches, of which no two are alike.
type places struct{ *rand.Rand }

func (r places) float(limit float64) string {
	return strconv.FormatFloat((2*r.Float64()-1)*limit, 'f', r.IntN(12), 64)
}

// place is anywhere on earth, or not far from one place.
func (r places) place() string {
	if r.IntN(2) == 0 {
		return r.float(180) + " " + r.float(85)
	}
	return strconv.FormatFloat(13.4+r.NormFloat64()/20, 'f', 9, 64) + " " + strconv.FormatFloat(52.5+r.NormFloat64()/20, 'f', 9, 64)
}

func (r places) pick(words ...string) string { return words[r.IntN(len(words))] }

func (r places) key() string { return "g" + strconv.Itoa(r.IntN(3)) }

func (r places) member() string { return "m" + strconv.Itoa(r.IntN(400)) }

func (r places) length() string {
	return strconv.FormatFloat(r.ExpFloat64()*float64(uint64(1)<<r.IntN(25)), 'f', r.IntN(5), 64)
}

func (r places) unit() string { return r.pick("m", "km", "mi", "ft", "KM") }

func (r places) from() string {
	if r.IntN(2) == 0 {
		return " FROMMEMBER " + r.member()
	}
	return " FROMLONLAT " + r.place()
}

func (r places) by() string {
	if r.IntN(2) == 0 {
		return " BYRADIUS " + r.length() + " " + r.unit()
	}
	return " BYBOX " + r.length() + " " + r.length() + " " + r.unit()
}

func (r places) options() string {
	return r.pick("", " ASC", " DESC") + r.pick("", "", " COUNT 3", " COUNT 20", " COUNT 5 ANY")
}

func (r places) with() string { return r.pick("", " WITHDIST", " WITHDIST WITHCOORD WITHHASH") }

func (r places) command() string {
	switch r.IntN(14) {
	case 0, 1, 2:
		return "GEOADD " + r.key() + r.pick("", "", " NX", " XX", " CH", " XX CH") + " " + r.place() + " " + r.member() + " " + r.place() + " " + r.member()
	case 3:
		return "GEODIST " + r.key() + " " + r.member() + " " + r.member() + r.pick("", " km", " mi", " ft", " M", " x")
	case 4:
		return "GEOPOS " + r.key() + " " + r.member() + " " + r.member()
	case 5:
		return "GEOHASH " + r.key() + " " + r.member() + " " + r.member()
	case 6:
		return "GEOSEARCHSTORE s " + r.key() + r.from() + r.by() + r.options() + r.pick("", " STOREDIST", " WITHDIST")
	case 7:
		return "GEORADIUS " + r.key() + " " + r.place() + " " + r.length() + " " + r.unit() + r.options() + r.pick(r.with(), " STORE s", " STOREDIST s", " STORE s WITHDIST")
	case 8:
		return "GEORADIUSBYMEMBER " + r.key() + " " + r.member() + " " + r.length() + " " + r.unit() + r.options() + r.pick(r.with(), " STORE s", " STOREDIST s")
	case 9:
		return "GEORADIUS_RO " + r.key() + " " + r.place() + " " + r.length() + " " + r.unit() + r.options() + r.pick(r.with(), " STORE s")
	case 10:
		return "ZRANGE " + r.key() + " 0 -1 WITHSCORES"
	}
	return "GEOSEARCH " + r.key() + r.from() + r.by() + r.options() + r.with()
}

// nearly is do, but for the last digits of numbers: of the sines and arcsines
// that the C library computes about one in a thousand is another than the
// nearest number there is, which ours are.
func (p *pair) nearly(line string) {
	p.t.Helper()
	rounded := func(raw []byte) string {
		return number.ReplaceAllStringFunc(string(raw), func(text string) string {
			f, _ := strconv.ParseFloat(text, 64)
			return strconv.FormatFloat(f, 'g', 13, 64)
		})
	}
	argv := split(line)
	if want, got := rounded(p.theirs.do(argv)), rounded(p.ours.do(argv)); length.ReplaceAllString(want, "") != length.ReplaceAllString(got, "") {
		p.t.Fatalf("%s\nredis-server: %q\ncoffer:       %q\nbefore it:\n%s", line, want, got, strings.Join(p.recent, "\n"))
	}
}

var number, length = regexp.MustCompile(`[0-9]+\.[0-9]+`), regexp.MustCompile(`\$[0-9]+\r\n`)

// TestPlaces compares generated calls, the order of places included.
func TestPlaces(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		r := places{rand.New(rand.NewPCG(3, 4))}
		for i := range 12_000 {
			p.script(r.command())
			if i%10 == 0 {
				p.nearly("ZRANGE s 0 -1 WITHSCORES")
			}
		}
		p.script("DEL s")
		p.compareState()
		p.ours.checkReplay()
	})
}

// TestPlacesAtEdges: the poles, the date line, searches of nothing and of all,
// scores that are no places, and what is refused.
func TestPlacesAtEdges(t *testing.T) {
	both(t, func(t *testing.T, p *pair) {
		p.script("GEOADD g 180 85.05112878 a -180 -85.05112878 b 0 0 c 180 0 d -180 0 e 179.9999 10 f -179.9999 10 h 0.0000001 -0.0000001 i 90 84 j -90 -84 k",
			"ZRANGE g 0 -1 WITHSCORES", "GEOPOS g a b c d e f h i j k none", "GEOHASH g a b c d e f h i j k none", "GEODIST g a b", "GEODIST g d e", "GEODIST g c c", "GEODIST g c none", "GEODIST none a b", "GEOPOS none a", "GEOHASH none a", "GEOPOS g", "GEOHASH g")
		for _, at := range []string{"0 0", "180 0", "-180 0", "179.99999 10", "0 85", "0 -85", "90 84", "13 70", "-50 -81", "180 85.05112878", "-180 -85.05112878"} {
			for _, reach := range []string{"0 m", "0.1 m", "1 km", "500 km", "2000 km", "6000 km", "12000 km", "30000 km", "1e300 km"} {
				p.script("GEOSEARCH g FROMLONLAT "+at+" BYRADIUS "+reach+" ASC WITHDIST", "GEORADIUS g "+at+" "+reach+" WITHCOORD WITHHASH",
					"GEOSEARCH g FROMLONLAT "+at+" BYBOX "+strings.Fields(reach)[0]+" "+reach+" DESC WITHDIST", "GEOSEARCHSTORE s g FROMLONLAT "+at+" BYRADIUS "+reach+" STOREDIST")
				p.nearly("ZRANGE s 0 -1 WITHSCORES")
			}
		}
		p.script("ZADD z 0 a 1.5 b -1 c 1e300 d inf e -inf f 4503599627370496 g 9007199254740993 h", "GEOPOS z a b c g h", "GEOHASH z a b c g h", "GEODIST z a b", "GEOSEARCH z FROMLONLAT 0 0 BYRADIUS 1 km",
			"GEOADD g 181 0 x", "GEOADD g 0 86 x", "GEOADD g 0 x x", "GEOADD g x 0 x", "GEOADD g nan 0 x", "GEOADD g inf -inf x", "GEOADD g 0 -1e300 x", "GEOADD g 0 0", "GEOADD g NX XX 0 0 x", "GEOADD g NX CH x", "GEOADD g 0 0 x 0", "GEOADD g NX XX CH", "GEOADD none XX 0 0 x", "EXISTS none",
			"GEODIST g a b x", "GEODIST g a b m m", "GEORADIUS g 0 0 1 x", "GEORADIUS g 0 0 x m", "GEORADIUS g 0 0 -1 m", "GEORADIUS g 0 0 1 m nonsense", "GEORADIUS g 0 0 1 m COUNT 0", "GEORADIUS g 0 0 1 m COUNT x", "GEORADIUS g 0 0 1 m COUNT",
			"GEORADIUS g 0 0 1 m ANY", "GEORADIUS g 0 0 1 m STORE", "GEORADIUS none 0 0 1 m STORE s", "EXISTS s", "GEORADIUS none 0 0 1 m", "GEORADIUS none x 0 1 m", "GEORADIUS_RO g 0 0 1 m STORE s", "GEORADIUSBYMEMBER g none 1 m", "GEORADIUSBYMEMBER none none x x", "GEORADIUSBYMEMBER none none x x nonsense",
			"GEORADIUSBYMEMBER none c 1 m STORE s", "GEORADIUSBYMEMBER_RO g c 1 m STORE s", "GEORADIUS g 0 0 1 m STORE s STOREDIST t", "EXISTS s t", "GEORADIUS g 0 0 1 m STORE s WITHDIST",
			"GEOSEARCH g BYRADIUS 1 m ASC ASC ASC", "GEOSEARCH g FROMMEMBER c ASC ASC ASC ASC", "GEOSEARCH g FROMMEMBER c FROMLONLAT 0 0 BYRADIUS 1 m", "GEOSEARCH g FROMMEMBER c BYRADIUS 1 m BYBOX 1 1 m", "GEOSEARCH g FROMMEMBER none BYRADIUS 1 m", "GEOSEARCH none FROMMEMBER none BYRADIUS 1 m",
			"GEOSEARCH g FROMMEMBER c BYBOX -1 1 m", "GEOSEARCH g FROMMEMBER c BYBOX x 1 m", "GEOSEARCH g FROMMEMBER c BYBOX 1 x m", "GEOSEARCH g FROMMEMBER c BYBOX 1 1 x", "GEOSEARCH g FROMMEMBER c BYRADIUS 1 m STOREDIST", "GEOSEARCH g FROMMEMBER c BYRADIUS 1 m STORE s", "GEOSEARCH g FROMMEMBER c BYRADIUS 1 m ANY",
			"GEOSEARCHSTORE s g FROMMEMBER c BYRADIUS 1 m WITHDIST", "GEOSEARCHSTORE s g FROMMEMBER c BYRADIUS 0 m", "ZRANGE s 0 -1 WITHSCORES", "GEOSEARCHSTORE g g FROMMEMBER c BYRADIUS 5000 km", "ZCARD g", "GEOSEARCHSTORE s none FROMMEMBER c BYRADIUS 1 m", "EXISTS s",
			"SET str v", "GEOADD str 0 0 x", "GEODIST str a b", "GEOPOS str a", "GEOHASH str a", "GEORADIUS str x x x x", "GEOSEARCH str x x x x x", "GEOSEARCHSTORE s str FROMMEMBER c BYRADIUS 1 m", "GEODIST str a b x",
			"COMMAND GETKEYS GEORADIUS a 0 0 1 m STORE b", "COMMAND GETKEYS GEORADIUS a 0 0 1 m", "COMMAND GETKEYS GEORADIUSBYMEMBER a b 1 m STOREDIST c", "COMMAND GETKEYS GEOSEARCHSTORE a b c d e f g", "COMMAND GETKEYS GEOADD a 1 2 c")
		p.ours.checkReplay()
	})
}
