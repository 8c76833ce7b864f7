"""Mails as they come back, written for these tests: the servers' forms, our own sentences, addresses of example."""

from __future__ import annotations

from notifications.bounces.verp import ReturnPath

KEY = b"r" * 32
RETURN_PATH = ReturnPath(mailbox="bounces", domain="mail.example.jp", key=KEY)
TOKEN = "0123456789abcdef01234567"
ADDRESS = str(RETURN_PATH.address_for(TOKEN))


def mail(head: str, body: str, *, to: str = ADDRESS, charset: str = "utf-8") -> bytes:
    return (f"To: {to}\n" + head.strip("\n") + "\n\n" + body).replace("\n", "\r\n").encode(charset)


def report(
    *blocks: str,
    sender: str = "MAILER-DAEMON@mx.example.com",
    subject: str = "Undelivered Mail Returned to Sender",
    words: str = "This is the mail system.",
    to: str = ADDRESS,
    more: str = "",
) -> bytes:
    """A delivery status notification with these groups of fields, the first one about the server."""
    status = "\n\n".join(blocks)
    return mail(
        f"From: {sender}\nSubject: {subject}\nReturn-Path: <>\nMIME-Version: 1.0\n{more}"
        'Content-Type: multipart/report; report-type=delivery-status; boundary="=_edge"',
        f"--=_edge\nContent-Type: text/plain; charset=utf-8\n\n{words}\n\n"
        f"--=_edge\nContent-Type: message/delivery-status\n\n{status}\n\n"
        "--=_edge\nContent-Type: text/rfc822-headers\n\nSubject: notice\n\n--=_edge--\n",
        to=to,
    )


SERVER = "Reporting-MTA: dns; mx.example.com"


def about(address: str, action: str, status: str, diagnostic: str = "") -> str:
    lines = [f"Final-Recipient: rfc822; {address}", f"Action: {action}", f"Status: {status}"]
    return "\n".join(lines + ([f"Diagnostic-Code: smtp; {diagnostic}"] if diagnostic else []))


POSTFIX = report(SERVER, about("taro@example.com", "failed", "5.1.1", "550 5.1.1 no mailbox of that name"))
POSTFIX_DELAYED = report(
    SERVER,
    about("taro@example.com", "delayed", "4.4.1", "connect to mx.example.com: timed out"),
    subject="Delayed Mail (still being retried)",
    more="Auto-Submitted: auto-replied\n",
)
SENDMAIL = report(
    "Reporting-MTA: dns; host.example.org\nReceived-From-MTA: DNS; out.example.jp",
    about("hanako@example.org", "failed", "5.2.1", "550 mailbox disabled"),
    subject="Returned mail: see transcript for details",
    sender="Mail Delivery Subsystem <MAILER-DAEMON@host.example.org>",
)
EXCHANGE = report(
    SERVER,
    "Final-Recipient: rfc822;jiro@example.com\nAction: failed\nStatus: 5.1.10\n"
    "Diagnostic-Code: smtp;550 5.1.10 RESOLVER.ADR.RecipientNotFound; no such recipient\nX-Display-Name: jiro",
    sender="Microsoft Outlook <postmaster@example.com>",
    subject="Undeliverable: notice",
    more="Auto-Submitted: auto-replied\n",
)
GMAIL = report(
    "Reporting-MTA: dns; mail-out.example.com",
    about("saburo@example.net", "failed", "4.2.2", "452-4.2.2 the inbox is full\n 452 4.2.2 ask later"),
    sender="Mail Delivery Subsystem <mailer-daemon@example.com>",
    subject="Delivery Status Notification (Failure)",
)
DELIVERED = report(SERVER, about("taro@example.com", "delivered", "2.0.0"), subject="Successful Mail Delivery Report")
RELAYED = report(SERVER, about("taro@example.com", "relayed", "2.0.0"))
EXPANDED = report(SERVER, about("list@example.com", "expanded", "2.0.0"))
SEVERAL = report(
    SERVER,
    about("ok@example.com", "delivered", "2.0.0"),
    about("late@example.com", "delayed", "4.4.1"),
    about("gone@example.com", "failed", "5.1.1"),
    about("never@example.com", "failed", "5.1.2"),
)
EXIM = mail(
    "From: Mail Delivery System <Mailer-Daemon@relay.example.org>\nX-Failed-Recipients: shiro@example.org\n"
    "Auto-Submitted: auto-replied\nSubject: Mail delivery failed: returning message to sender",
    "A message that you sent could not be delivered to one recipient. The error is final:\n\n  shiro@example.org\n"
    "    host mx.example.org said: 550 nobody here of that name\n",
)
EXIM_WARNING = mail(
    "From: Mail Delivery System <Mailer-Daemon@relay.example.org>\nAuto-Submitted: auto-replied\n"
    "Subject: Warning: message 1abcde-000001-XY delayed 24 hours",
    "Your mail has been on this host for a day.\nThe address to which it has not yet been delivered is:\n\n"
    "  shiro@example.org\n\nNothing needs to be done: the host will go on and try again.\n",
)
QMAIL = mail(
    "From: MAILER-DAEMON@qm.example.net\nSubject: failure notice",
    "Hi. This is the qmail-send program at qm.example.net.\nI wasn't able to deliver your mail to these addresses.\n\n"
    "<goro@example.net>:\n192.0.2.7 does not like recipient.\nRemote host said: 550 5.7.1 go away\n\n"
    "--- Below this line is a copy of the message.\n\nReturn-Path: <x@example.net>\n",
)
DOCOMO = mail(
    "From: mailer-daemon@docomo.example\nSubject: Mail System Error - Returned Mail\n"
    "Content-Type: text/plain; charset=iso-2022-jp\nContent-Transfer-Encoding: 7bit",
    "次の宛先にはお届けできませんでした。\n宛先のアドレスは存在しません。\n\n<ha..na.@docomo.example>\n",
    charset="iso2022_jp",
)
AU = mail(
    "From: Postmaster@ezweb.example\nSubject: =?iso-2022-jp?B?GyRCJWEhPCVrR1s/LiUoJWkhPBsoQg==?=\n"
    "Content-Type: text/plain; charset=iso-2022-jp",
    "以下の宛先のメールボックスの容量がいっぱいのため、届けられませんでした。\n\n  Recipient: <yuki@ezweb.example>\n",
    charset="iso2022_jp",
)
SOFTBANK = report(
    "Reporting-MTA: dns; mta.softbank.example",
    "Original-Recipient: rfc822;ken@i.softbank.example\nFinal-Recipient: rfc822;ken@i.softbank.example\n"
    "Action: failed\nStatus: 5.0.0\nDiagnostic-Code: smtp; 550 Invalid recipient: <ken@i.softbank.example>",
    sender="MAILER-DAEMON@softbank.example",
    words="受信者のアドレスが無効です。",
)
COMPLAINT = mail(
    "From: feedback@isp.example\nSubject: complaint about a mail\nMIME-Version: 1.0\n"
    "Content-Type: multipart/report; report-type=feedback-report; boundary=arf",
    "--arf\nContent-Type: text/plain\n\nA reader called this mail unwanted.\n\n"
    "--arf\nContent-Type: message/feedback-report\n\nFeedback-Type: abuse\nUser-Agent: desk/1\nVersion: 1\n"
    f"Original-Mail-From: <{ADDRESS}>\nOriginal-Rcpt-To: <rin@isp.example>\n\n"
    f"--arf\nContent-Type: message/rfc822\n\nReturn-Path: <{ADDRESS}>\nTo: rin@isp.example\nSubject: notice\n\nhello\n"
    "--arf--\n",
    to="fbl@mail.example.jp",
)
NOT_SPAM = COMPLAINT.replace(b"Feedback-Type: abuse", b"Feedback-Type: not-spam")
VACATION = mail(
    "From: Mei <mei@example.com>\nSubject: Re: notice\nAuto-Submitted: auto-replied (vacation)",
    "I am away. My old mailbox me@example.com does not exist any more; the server said 550 user unknown.\n",
)
OUT_OF_OFFICE = mail("From: jun@example.com\nSubject: Out of Office: notice", "Back on Monday.\n")
ABSENT = mail(
    "From: sora@example.jp\nSubject: =?utf-8?B?5LiN5Zyo6YCa55+lOiDjgYrnn6XjgonjgZs=?=",
    "ただいま休暇をいただいております。宛先が存在しない場合があります。\n",
)
CHALLENGE = mail(
    "From: guard@example.com\nSubject: Please confirm your message to aki@example.com",
    "Press the button to prove that you are a person.\n",
)
RECEIPT = mail(
    "From: nao@example.com\nSubject: Read: notice\n"
    "Content-Type: multipart/report; report-type=disposition-notification; boundary=mdn",
    "--mdn\nContent-Type: text/plain\n\nIt was shown.\n\n--mdn\nContent-Type: message/disposition-notification\n\n"
    "Final-Recipient: rfc822;nao@example.com\n"
    "Disposition: manual-action/MDN-sent-manually; displayed\n\n--mdn--\n",
)
PERSON = mail(
    "From: emi@example.com\nSubject: Re: notice", "My card was charged. What shall I do? The 550 yen are gone.\n"
)
PERSON_ON_RETURNS = mail(
    "From: emi@example.com\nSubject: 送信できません", "フォームから送れません。宛先が存在しないと出ます。\n"
)
PERSON_ON_A_BOUNCE = mail(
    "From: emi@example.com\nSubject: Re: Undelivered Mail Returned to Sender",
    "What is this?\n> 550 5.1.1 <taro@example.com> user unknown\n",
)
COMPLAINT_OF_A_PROVIDER = mail(
    "From: staff@provider.example\nSubject: complaint about message from 192.0.2.1\n"
    "X-HmXmrOriginalRecipient: <rin@provider.example>",
    "forwarded\n",
)
