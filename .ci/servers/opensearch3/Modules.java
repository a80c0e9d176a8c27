import java.util.List;
import org.opensearch.Version;
import org.opensearch.plugins.PluginInfo;
import org.opensearch.transport.Netty4ModulePlugin;

/** The modules on the class path: HTTP. OpenSearch 3 wants them described. */
final class Modules {
    static final List<PluginInfo> ALL =
            List.of(
                    new PluginInfo(
                            "transport-netty4",
                            "HTTP and transport",
                            "NA",
                            Version.CURRENT,
                            "21",
                            Netty4ModulePlugin.class.getName(),
                            null,
                            List.of(),
                            false));

    private Modules() {}
}
