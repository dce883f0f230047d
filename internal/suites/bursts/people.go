package bursts

import (
	"fmt"
	"net/netip"
	"strings"
)

// Forms of user agents; %d is the version. They distinguish people as little as real ones do. docs/burst-detection.md
// names the sources of these forms and of the shares below.
const (
	androidChrome = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Mobile Safari/537.36"
	windowsChrome = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36"
	macChrome     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%d.0.0.0 Safari/537.36"
	windowsEdge   = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/%[1]d.0.0.0 Safari/537.36 Edg/%[1]d.0.0.0"
	firefox       = "Mozilla/5.0 (Windows NT 10.0; Win64; x64; rv:%[1]d.0) Gecko/20100101 Firefox/%[1]d.0"
	samsung       = "Mozilla/5.0 (Linux; Android 10; K) AppleWebKit/537.36 (KHTML, like Gecko) SamsungBrowser/2%d.0 Chrome/130.0.0.0 Mobile Safari/537.36"
	iPhoneSafari  = "Mozilla/5.0 (iPhone; CPU iPhone OS 18_6 like Mac OS X) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.%d Mobile/15E148 Safari/604.1"
	macSafari     = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/605.1.15 (KHTML, like Gecko) Version/26.%d Safari/605.1.15"
	insideAnApp   = "Mozilla/5.0 (Linux; Android 15; SM-S9%02dB Build/AP3A; wv) AppleWebKit/537.36 (KHTML, like Gecko) Version/4.0 Chrome/140.0.7339.51 Mobile Safari/537.36 Instagram"
)

// worldwide is StatCounter's distribution of 2025: Chrome two thirds, Safari a sixth, Edge a twentieth, three in five
// on phones. affluent is that of countries with many iPhones, phones that of countries where nearly every phone is an
// Android.
var (
	worldwide = []shared[string]{{40, androidChrome}, {22, windowsChrome}, {14, iPhoneSafari}, {5, macChrome}, {5, windowsEdge}, {4, macSafari},
		{3, firefox}, {3, samsung}, {4, insideAnApp}}
	affluent = []shared[string]{{31, iPhoneSafari}, {20, windowsChrome}, {19, androidChrome}, {8, macSafari}, {7, macChrome}, {6, windowsEdge},
		{3, firefox}, {2, samsung}, {4, insideAnApp}}
	phones = []shared[string]{{68, androidChrome}, {13, windowsChrome}, {5, iPhoneSafari}, {2, macChrome}, {3, windowsEdge}, {1, macSafari},
		{1, firefox}, {2, samsung}, {5, insideAnApp}}
	// current is how many versions a self-updating browser is behind.
	current = []shared[int]{{75, 0}, {15, 1}, {6, 2}, {4, 3}}
)

// agent returns a user agent.
func (m *maker) agent() string {
	switch form := draw(m, m.site.browsers); form {
	case insideAnApp:
		return fmt.Sprintf(form, m.IntN(60))
	case samsung, iPhoneSafari, macSafari:
		return fmt.Sprintf(form, 3-draw(m, current))
	default:
		return fmt.Sprintf(form, 142-draw(m, current))
	}
}

// phone returns the user agent of a phone.
func (m *maker) phone() string {
	for {
		if agent := m.agent(); strings.Contains(agent, " Mobile") {
			return agent
		}
	}
}

// consumers and professionals are the mailbox providers of two kinds of lists; "" is a personal or an employer's
// domain.
var (
	consumers = []shared[string]{{56, "gmail.com"}, {8, "yahoo.com"}, {8, "hotmail.com"}, {6, "outlook.com"}, {6, "icloud.com"}, {2, "gmx.de"},
		{2, "web.de"}, {1, "proton.me"}, {1, "aol.com"}, {10, ""}}
	professionals = []shared[string]{{33, "gmail.com"}, {3, "yahoo.com"}, {3, "hotmail.com"}, {5, "outlook.com"}, {3, "icloud.com"}, {3, "proton.me"}, {50, ""}}
)

var (
	first = []string{"anna", "ben", "clara", "david", "emma", "felix", "greta", "hannah", "ivan", "julia", "karl", "lena", "max", "nina", "oskar", "paul",
		"rosa", "sofia", "tom", "ute", "victor", "wanda", "xenia", "yusuf", "zoe", "marie", "peter", "john", "sarah", "michael", "laura", "jan"}
	last = []string{"mueller", "schmidt", "smith", "jones", "martin", "bernard", "rossi", "novak", "kim", "garcia", "weber", "wagner", "becker", "hoffmann",
		"brown", "wilson", "taylor", "dubois", "moreau", "ricci", "silva", "jensen", "larsen", "ivanova", "yilmaz", "meier", "huber", "lopez"}
	words = []string{"blue", "cat", "star", "moon", "dev", "photo", "garden", "music", "fox", "river", "happy", "coffee", "bike", "stone", "wind", "paper"}
)

// person returns a natural address: names, initials, years or nicknames, at a provider or another domain.
func (m *maker) person() string {
	if domain := draw(m, m.site.mailboxes); domain != "" {
		return m.local() + "@" + domain
	}
	return fmt.Sprintf("%s@%s-%s%d.example", m.local(), pick(m, words), pick(m, last), m.IntN(10))
}

func (m *maker) local() string {
	a, b := pick(m, first), pick(m, last)
	switch draw(m, []shared[int]{{27, 0}, {20, 1}, {12, 2}, {8, 3}, {13, 4}, {8, 5}, {7, 6}, {5, 7}}) {
	case 0:
		return a + "." + b
	case 1:
		return a + b
	case 2:
		return a
	case 3:
		return a[:1] + b
	case 4:
		return a + b + fmt.Sprint(m.IntN(100))
	case 5:
		return a + fmt.Sprint(1950+m.IntN(60))
	case 6:
		return pick(m, words) + pick(m, words) + fmt.Sprint(m.IntN(1000))
	default:
		return a + "_" + b
	}
}

// home returns a visitor's network address; a third come from the few addresses of mobile carriers.
func (m *maker) home() netip.Addr {
	if m.IntN(3) == 0 {
		return m.in(m.site.carriers[min(m.IntN(len(m.site.carriers)), m.IntN(len(m.site.carriers)))]) // the first are the largest
	}
	return m.address()
}
