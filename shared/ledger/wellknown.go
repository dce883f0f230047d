package ledger

// A wellKnown is a search engine or network that the ledger names. Its hosts include their subdomains.
type wellKnown struct {
	name  string
	hosts []string // ".*" at the end matches any country
}

// wellKnownHosts are the referrers that web analytics count by name: those of the default channels of Google Analytics
// (support.google.com/analytics/answer/9756891), and the larger Mastodon and Bluesky servers.
var wellKnownHosts = []wellKnown{
	{"gmail", []string{"mail.google.com", "com.google.android.gm"}},
	{"gemini", []string{"gemini.google.com"}},
	{"google", []string{"google.*", "com.google.android.googlequicksearchbox"}},
	{"bing", []string{"bing.com"}},
	{"duckduckgo", []string{"duckduckgo.com"}},
	{"yahoo", []string{"yahoo.*", "search.yahoo.*"}},
	{"ecosia", []string{"ecosia.org"}},
	{"qwant", []string{"qwant.com"}},
	{"startpage", []string{"startpage.com"}},
	{"brave", []string{"search.brave.com"}},
	{"kagi", []string{"kagi.com"}},
	{"yandex", []string{"yandex.*", "ya.ru"}},
	{"baidu", []string{"baidu.com"}},
	{"naver", []string{"naver.com"}},
	{"seznam", []string{"seznam.cz"}},
	{"chatgpt", []string{"chatgpt.com", "chat.openai.com"}},
	{"perplexity", []string{"perplexity.ai"}},
	{"claude", []string{"claude.ai"}},
	{"copilot", []string{"copilot.microsoft.com"}},
	{"outlook", []string{"outlook.live.com", "outlook.office.com", "outlook.office365.com"}},
	{"facebook", []string{"facebook.com", "fb.me", "fb.com", "com.facebook.katana"}},
	{"instagram", []string{"instagram.com"}},
	{"threads", []string{"threads.net", "threads.com"}},
	{"messenger", []string{"messenger.com"}},
	{"whatsapp", []string{"whatsapp.com", "wa.me"}},
	{"telegram", []string{"t.me", "telegram.org", "org.telegram.messenger"}},
	{"x", []string{"t.co", "x.com", "twitter.com"}},
	{"linkedin", []string{"linkedin.com", "lnkd.in", "com.linkedin.android"}},
	{"xing", []string{"xing.com"}},
	{"reddit", []string{"reddit.com", "com.reddit.frontpage"}},
	{"youtube", []string{"youtube.com", "youtu.be"}},
	{"vimeo", []string{"vimeo.com"}},
	{"tiktok", []string{"tiktok.com"}},
	{"pinterest", []string{"pinterest.*", "pin.it"}},
	{"snapchat", []string{"snapchat.com"}},
	{"tumblr", []string{"tumblr.com"}},
	{"quora", []string{"quora.com"}},
	{"mastodon", []string{"mastodon.social", "mastodon.online", "mstdn.social", "fosstodon.org", "hachyderm.io", "chaos.social", "mas.to"}},
	{"bluesky", []string{"bsky.app"}},
	{"hackernews", []string{"news.ycombinator.com"}},
	{"lobsters", []string{"lobste.rs"}},
	{"producthunt", []string{"producthunt.com"}},
	{"github", []string{"github.com"}},
	{"stackoverflow", []string{"stackoverflow.com", "stackexchange.com"}},
	{"devto", []string{"dev.to"}},
	{"medium", []string{"medium.com"}},
	{"substack", []string{"substack.com"}},
	{"discord", []string{"discord.com"}},
	{"slack", []string{"slack.com"}},
	{"wikipedia", []string{"wikipedia.org"}},
}

// wellKnownWords are the usual values of utm_medium, by the same source, and Undeclared itself.
var wellKnownWords = []string{
	Undeclared, "affiliate", "app", "audio", "banner", "blog", "cpc", "cpm", "display", "email", "link", "newsletter", "organic", "paid", "podcast",
	"ppc", "print", "push", "qr", "referral", "rss", "search", "sms", "social", "video", "web", "website",
}
